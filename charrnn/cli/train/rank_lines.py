"""The lines about the ranks of a distributed run: which they are, and which one the others wait for."""

from collections import Counter
from collections.abc import Iterator

from charrnn.errors import counted
from charrnn.training import averaging
from charrnn.training.leader import LeadingTrainer
from charrnn.training.rank_report import RankReport
from charrnn.training.trainer import Trainer


def of_job(trainer: Trainer) -> Iterator[str]:
    """The ranks of a run and their hosts; nothing if it is not distributed."""
    if isinstance(trainer, LeadingTrainer):
        hosts, config = Counter(trainer.ranks.hosts), trainer.state.training_config
        named = ", ".join(f"{n} on {host}" for host, n in hosts.items())
        what = f"exchange gradients in {config.exchange}"
        if config.sync_every:
            often = f"every {config.sync_every:,} steps" if config.sync_every > 1 else "each step"
            what = f"average their weights after {often}{', or more' * config.sync_grows}"
        yield f"{counted(trainer.ranks.size, 'ranks')}: {named}; they {what}"


def of_averages(steps: int, before: int) -> Iterator[str]:
    """That there are more steps between averages than before, if so."""
    if steps > before:
        yield f"averages took more than {averaging.MAX_SHARE:.0%} of the time: they now come after {steps:,} steps"


def of_slow_rank(report: RankReport | None) -> Iterator[str]:
    """The rank that the others wait for, if they wait long."""
    if report is not None and report.slow_rank is not None:
        yield f"rank {report.slow_rank} is slow: another waits for it for {max(report.waiting):.0%} of the time"
