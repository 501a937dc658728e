"""The results of a run: its models, the latest and the best so far, and whether they still get better."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.record_form import RecordForm
from charrnn.dataset.split import ValidationData
from charrnn.dataset.unseen import UnseenEstimate
from charrnn.model.display import Displayed
from charrnn.model.forms import AnyNetwork
from charrnn.model.line_scores import LineScores
from charrnn.model.model import Model
from charrnn.model.ngrams import NgramTable
from charrnn.training import calibration, evaluation
from charrnn.training.deadline import Deadline
from charrnn.training.rank_report import RankReport
from charrnn.training.state import Evaluation, TrainingState, copy_params, loss_curve
from charrnn.types import Array, Params


class RunResults(Displayed):
    """What a run has come to, between two steps; the trainer, which is one, says what each of these is."""

    state: TrainingState
    deadline: Deadline | None
    network: AnyNetwork
    validation_data: ValidationData
    line_set: LineSet | None
    labels: LabelSet | None
    record_form: RecordForm
    prior_shift: Array | None
    unseen: UnseenEstimate | None
    ngrams: NgramTable | None
    line_scores: LineScores | None
    final: Evaluation | None
    tolerance: float
    temperatures: list[float]
    is_calibrated: bool
    n_ranks: int | None = None
    """The ranks of a distributed run."""
    has_whole_text = True
    """Whether this process has all of the text; a rank of a distributed run may have a part of it."""
    rank_report: RankReport | None = None
    """How the ranks of a distributed run have spent their time, as of the latest evaluation."""
    signals: Mapping[int, float] = MappingProxyType({})
    """The signals that asked other processes of the run to stop, with their times."""

    @property
    def latest(self) -> Model:
        """The model as it is now, calibrated by the latest evaluation; it does not change when training continues."""
        if not self.is_calibrated:
            model = self._model(self.state.params)
            self.temperatures = [calibration.temperature(model, self.validation_data, self.prior_shift)]
            self.is_calibrated = True
        return self._model(calibration.calibrated(self.state.params, self.temperatures[0], self.prior_shift))

    def _model(self, params: Params) -> Model:
        """The model with a copy of some weights."""
        s = self.state
        return Model(
            s.model_config,
            s.vocabulary,
            copy_params(params),
            self.network.engine,
            s.training_config.layout,
            self.line_set,
            self.labels,
            text_form=s.text_form,
            record_form=self.record_form,
            unseen=self.unseen,
            ngrams=self.ngrams,
            losses=loss_curve(self.history),
        )

    @property
    def best(self) -> Model:
        """The model of `evaluation.best`, calibrated; the latest if nothing is held out or evaluated yet."""
        if not self._latest_is_best():
            model = self._model(self.state.best)
        elif self.final and self.final.ema:
            model = self._model(calibration.calibrated(self.state.ema, self.temperatures[1], self.prior_shift))
        else:
            model = self.latest
        return replace(model, line_scores=self.line_scores)

    @property
    def best_step(self) -> int:
        """The step of `best`."""
        return self.state.counters.step if self._latest_is_best() else self.state.counters.best_step

    def _latest_is_best(self) -> bool:
        if not self.state.history or not self.validation_data.size:
            return True
        return self.final is not None and evaluation.best(self.history, self.tolerance) is self.final

    @property
    def patience(self) -> int:
        """The evaluations without a better model after which the run ends; 0: it does not."""
        return self.state.training_config.patience or (self.deadline.patience if self.deadline is not None else 0)

    @property
    def out_of_patience(self) -> bool:
        """Whether the latest `patience` evaluations brought nothing better."""
        patience, history = self.patience, self.state.history
        return 0 < patience < len(history) and evaluation.best(history, self.tolerance) not in history[-patience:]

    @property
    def history(self) -> list[Evaluation]:
        """All evaluations so far."""
        return self.state.history + ([self.final] if self.final else [])
