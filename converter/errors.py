"""What the converter reports to its user.

ConverterError             exit code 1
|-- InputFileError         a file that the user named is missing or wrong; exit code 2
|   |-- RecipeError        the recipe
|   |-- ModelError         a model, given or described, that cannot be read or converted
|   |-- OutputError        the place to write to
|   |-- DatasetError       the data, or a split that cannot be made of them
|   |   `-- CutGroupError  a split that the user asked for and that would cut a group
|   |-- RequestError       evidence, samples or parent bundle of a retraining
|   `-- GateNameError      --allow-gate with a name that no gate has
|-- ConversionError        TensorFlow could not convert the model, or its process died
`-- GateError              the bundle is not good enough to be written
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


class ConverterError(Exception):
    """Base of all errors that a command ends with; its text is the one line that the user sees."""

    exit_code = EXIT_FAILED


class InputFileError(ConverterError):
    """A file that the user named cannot be used; the text says which and what would be right."""

    exit_code = EXIT_USAGE


class RecipeError(InputFileError):
    """The recipe has an unknown key, a wrong value, or parts that do not fit each other."""


class ModelError(InputFileError):
    """The model is damaged, or made of operators that cannot be converted; the text says what to use instead."""


class OutputError(InputFileError):
    """The output directory cannot take a bundle; choose another."""


class DatasetError(InputFileError):
    """The data are missing, malformed or too few."""


class CutGroupError(DatasetError):
    """Parts that are given put one group into two of them."""


class RequestError(InputFileError):
    """Evidence, samples or the parent bundle of a retraining cannot be used."""


class GateNameError(InputFileError):
    """``--allow-gate`` names no gate; the text lists them."""


class ConversionError(ConverterError):
    """TensorFlow refused the model, or its process crashed; changing the architecture may help."""


class GateError(ConverterError):
    """A measured figure misses its gate; the text says which, by how much, and what to try."""
