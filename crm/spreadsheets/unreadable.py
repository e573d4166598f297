"""Why a file cannot be read, and how much of a file we are willing to read."""

MAX_BYTES = 20 * 1024 * 1024
MAX_ROWS = 100_000
MAX_COLUMNS = 200
MAX_CELL_CHARACTERS = 200_000

MESSAGES = {
    "empty": "The file has no content.",
    "binary": "The file is neither CSV text nor an Excel workbook (.xlsx).",
    "too_large": "The file is too large (limit: {limit}).",
    "too_many_rows": "The file has more than {limit} rows.",
    "too_wide": "The file has more than {limit} columns.",
    "not_a_table": "The file holds no table that can be read.",
    "bomb": "The workbook needs too much memory or time to open.",
    "encrypted": "The workbook is protected by a password. Save it without one.",
    "old_excel": "This is an old Excel file (.xls). Save it as .xlsx or CSV.",
    "unclosed_quote": "The quotation mark opened in line {line} is never closed properly.",
    "encoding": "The characters of the file cannot be made out. Save it as UTF-8.",
}


class UnreadableFile(Exception):
    """The file was refused. `code` is a key of MESSAGES; `params` fill its message; str() is English."""

    def __init__(self, code: str, **params: int | str) -> None:
        self.code = code
        self.params = params
        super().__init__(MESSAGES[code].format(**params))
