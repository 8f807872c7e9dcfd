"""A file of named arrays and one header of JSON: npz without pickle, the same bytes every time."""

import io
import math
from collections.abc import Mapping
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from ml_assets.core.errors import ArtefactError

HEADER = "header"
_ENDING = ".npy"
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # what a zip file can say; the real time would change the bytes
_DTYPES = frozenset({"<f8", "<i4", "|u1"})


def pack(header: bytes, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the bytes of a file that ``unpack`` and ``numpy.load`` read.

    Args:
        header: Text that says what the arrays mean.
        arrays: Of float64, int32 or uint8, by name.
    """
    sink = io.BytesIO()
    named = {HEADER: np.frombuffer(header, dtype=np.uint8), **arrays}
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        for name in sorted(named):
            content = io.BytesIO()
            np.lib.format.write_array(
                content, np.ascontiguousarray(named[name]), version=(1, 0), allow_pickle=False
            )
            archive.writestr(ZipInfo(name + _ENDING, _EARLIEST), content.getvalue())
    return sink.getvalue()


def unpack(content: bytes) -> tuple[bytes, dict[str, np.ndarray]]:
    """Return the header and the arrays of a file, which need not come from a friend.

    Nothing is allocated that the file does not hold: its parts must be stored uncompressed, and
    an array must be as long as its part.

    Raises:
        ArtefactError: If it is no such file.
    """
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            _check(all(part.compress_type == ZIP_STORED for part in parts), "a part is compressed")
            _check(sum(part.file_size for part in parts) <= len(content), "its parts overlap")
            found = {
                part.filename.removesuffix(_ENDING): _array(archive.read(part)) for part in parts
            }
    except (BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArtefactError(_message(str(error))) from error
    _check(len(found) == len(parts), "two parts have one name")
    _check(HEADER in found, "it has no header")
    return found.pop(HEADER).tobytes(), found


def _array(part: bytes) -> np.ndarray:
    stream = io.BytesIO(part)
    _check(np.lib.format.read_magic(stream) == (1, 0), "an array is in another version of the form")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
    rest = part[stream.tell() :]
    _check(dtype.str in _DTYPES, f"an array is of type {dtype.str}, which is none of the known")
    _check(all(length >= 0 for length in shape), "an array has a negative length")
    _check(not by_columns or len(shape) < 2, "an array is stored by columns")
    _check(math.prod(shape) * dtype.itemsize == len(rest), "an array is not as long as it says")
    return np.frombuffer(rest, dtype=dtype).reshape(shape)


def _check(holds: bool, fault: str) -> None:
    if not holds:
        raise ArtefactError(_message(fault))


def _message(fault: str) -> str:
    return f"The compiled model cannot be read: {fault}. Compile it again from the model file."
