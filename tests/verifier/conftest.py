"""The memos that the verifier checks are those that the memo's own tests make."""

from tests.memo.conftest import shipped

__all__ = ["shipped"]
