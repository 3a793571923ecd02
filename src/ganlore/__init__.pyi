from ganlore.api import plots as plots
from ganlore.api.generators import generator as generator
from ganlore.api.results import load as load

__version__: str
