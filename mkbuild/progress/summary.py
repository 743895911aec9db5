"""The table at the end: one row an image, at most 80 columns."""

from dataclasses import dataclass, field

from mkbuild.events import Event, RunFinished, StepFinished, TargetFinished
from mkbuild.progress import text

_ROWS = 40
"""Above this many images, those that were up to date share a line, and then all but the slowest."""
_SLOWEST = 16
"""Rows that leave room on a screen for what is said below them."""
_NAME = 36


@dataclass(slots=True)
class Summary:
    """Collects what the table needs while events pass by."""

    targets: list[TargetFinished] = field(default_factory=list)
    failed: int = 0

    def see(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case TargetFinished():
                self.targets.append(event)
            case StepFinished(error=error) if error:
                self.failed += 1
            case _:
                pass

    def lines(self, end: RunFinished) -> list[str]:
        """Write the table and the closing sentence."""
        return [*self._table(ok=end.ok), self._closing(end)]

    def _table(self, *, ok: bool) -> list[str]:
        rows = self.targets
        if not ok and len(rows) > _SLOWEST:
            # What failed is to be seen, not what did not.
            return [f"({text.count(len(rows), 'image')} built)"]
        if len(rows) > _ROWS:
            rows = [row for row in rows if row.ran]
        if len(rows) > _ROWS:
            rows = sorted(rows, key=lambda row: -row.seconds)[:_SLOWEST]
        if not rows:
            return []
        width = min(max(len("IMAGE"), *(len(row.target) for row in rows)), _NAME)
        lines = [
            f"{'IMAGE':{width}}  {'DIGEST':12}  {'STEPS':>5} {'RAN':>4}  {'SIZE':>7}  {'TIME':>7}"
        ]
        for row in rows:
            digest = text.short(row.digest) if not row.error else "failed"
            size = text.size(row.size) if row.size else "-"
            lines.append(
                f"{text.fit(row.target, width):{width}}  {digest or '-':12}  {row.steps:5}"
                f" {row.ran:4}  {size:>7}  {text.seconds(row.seconds):>7}"
            )
        folded = len(self.targets) - len(rows)
        if folded:
            lines.append(f"(and {text.count(folded, 'image')} more)")
        return lines

    def _closing(self, end: RunFinished) -> str:
        took = text.seconds(end.seconds)
        good = sum(1 for target in self.targets if not target.error)
        images = text.count(good, "image")
        if not end.ok:
            parts = [f"{self.failed} failed", f"{end.ran} ran", f"{end.hits} cached"]
            if end.skipped:
                parts.append(f"{end.skipped} skipped")
            word = "failed" if self.failed else "stopped"
            return f"{word} after {took}: steps: {', '.join(parts)}"
        if end.ran == 0:
            return f"up to date: {images}, {text.count(end.hits, 'step')} cached, {took}"
        return f"built {images} in {took}: {text.count(end.ran, 'step')} ran, {end.hits} cached"
