"""What is measured of the data alone: kept, so that an evaluation does not measure it again.

In `<data>/extractors/<data set>/<extractor>/reference/<protocol>/`:

- `statistics.npz`: what metrics compute of the reference (`metrics.Reference.computed`): mean and
  root of the covariance, the kernel's mean, radii of neighbours;
- `floor.json`: the metrics of the other split against the reference, which perfect samples get;
- `record.json`: what both were made of, and their hashes.

What was made of other features, by other code or under another protocol does not count as there.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganlore import arrays, features, metrics, provenance, shapes, storage
from ganlore.study import fingerprint

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.study.protocol import Protocol

Row = dict[str, Any]


class Kept:
    """What is kept of a data set, an extractor and a protocol.

    Args:
        store: the prepared data.
        extractor: its name.
        data: the folder of data.
        protocol: the protocol.
    """

    def __init__(self, store: Store, extractor: str, data: Path, protocol: Protocol) -> None:
        self.protocol = protocol
        self.fitted = data / "extractors" / store.name / extractor
        self.folder = self.fitted / "reference" / protocol.place
        self.remedy = f"delete {self.folder} and run snakemake, or go on without it"
        self._made_of = {
            "protocol": protocol.place,
            "data_hash": store.digest,
            "extractors": provenance.fitted([extractor], store.name, data),
            "code_hash": fingerprint.reference(extractor),
        }

    def there(self) -> bool:
        """Whether it is there, and of what there is now.

        Raises:
            GanloreError: if a file is truncated or altered.
        """
        path = self.folder / "record.json"
        if not path.exists():
            return False
        record = storage.read_record(path, self.remedy, shape=shapes.Reference)
        return all(record[key] == value for key, value in self._made_of.items())

    def reference(self) -> metrics.Reference:
        """The data's features, with what is known of them."""
        real = features.reference(self.fitted, self.protocol.reference, self.protocol.n_real)
        if not self.there():
            return metrics.Reference(real)
        statistics: dict[str, list[Any]] = {}
        for name, array in arrays.read_archive(self.folder / "statistics.npz").items():
            computation, _, index = name.rpartition("/")
            statistics.setdefault(computation, []).insert(int(index), array)
        return metrics.Reference(real, {name: tuple(parts) for name, parts in statistics.items()})

    def floor(self) -> list[Row] | None:
        """The rows of the floor, None where they are not kept."""
        if not self.there():
            return None
        rows: list[Row] = storage.read_json(self.folder / "floor.json", self.remedy)
        return rows

    def write(self, reference: metrics.Reference, floor: list[Row], device: str) -> None:
        """Keep it, and the device that it was computed on; the record is written last."""
        computed = {
            f"{name}/{index}": array
            for name, parts in reference.computed.items()
            for index, array in enumerate(parts)
        }
        buffer = io.BytesIO()
        np.savez(buffer, **computed)  # type: ignore[arg-type]
        (self.folder / "record.json").unlink(missing_ok=True)
        files = {
            "statistics.npz": storage.write_bytes(
                self.folder / "statistics.npz", buffer.getvalue()
            ),
            "floor.json": storage.write_json(self.folder / "floor.json", floor),
        }
        record = {**self._made_of, "device": device, "files": files}
        storage.write_record(self.folder / "record.json", record)
