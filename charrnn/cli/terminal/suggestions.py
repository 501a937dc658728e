"""Suggestions for unknown options and commands: the names that you may mean, or where to find a list."""

import os
import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from charrnn.dataset import shell_words

MIN_SIMILARITY, MAX_GAP = 0.72, 0.05
"""The smallest similarity of a suggestion, from 0 to 1, and how much less similar a second suggestion may be."""
MAX_SUGGESTIONS = 3
"""The most suggestions for one name."""

RENAMED = {
    "context": "memory",
    "clamp-unit": "set",
    "surprisal": "surprise",
    "no-locked-dropout": "unlocked",
    "locked-dropout": "locked unlocked",
    "ema-decay": "average",
    "loop-penalty": "penalty",
    "heatmap": "heat",
    "feature": "follow",
    "stateful": "carry",
    "stop-at-newline": "line",
}
"""Options, and their names in version 0.1."""
OPTIONS = {
    # What to read
    "lines": "line by-line line-delimited per-line",
    "records-by": "delimiter delim split-by separator paragraphs by-paragraph record-separator",
    "documents": "files per-file whole-files by-file one-per-file",
    "per-line": "lines by-line each-line",
    "bytes": "binary raw",
    "val-file": "valid-file validation-file val-data valid-data validation-data dev-file test-file val-corpus",
    "min-count": "min-freq min-frequency vocab-min-count min-char-count",
    "val-fraction": "val-frac valid-fraction validation-fraction val-split validation-split test-size",
    "corpus": "data dataset",
    # Model
    "hidden-size": "rnn-size hidden hidden-units hidden-dim num-hidden num-units units n-hidden nhid n-embd state-size",
    "layers": "num-layers n-layers n-layer nlayers rnn-layers depth",
    "cell": "model model-type rnn-type cell-type type arch architecture rnn lstm gru",
    "nonlinearity": "activation activation-function act tanh relu",
    "dropout": "drop drop-rate dropout-rate",
    "init-from": "from pretrained finetune fine-tune warm-start",
    # Optimisation
    "batch-size": "batch bs b",
    "seq-length": "sequence-length seq-len bptt block-size unroll chunk-length",
    "optimizer": "optim optimiser solver",
    "lr": "learning-rate learn-rate rate alpha eta",
    "lr-decay": "learning-rate-decay lr-decay-factor decay gamma",
    "lr-decay-after": "learning-rate-decay-after lr-decay-every",
    "weight-decay": "decay wd l2",
    "schedule": "scheduler lr-schedule lr-scheduler",
    "warmup": "warmup-steps warmup-iters",
    "clip": "grad-clip clip-grad gradient-clip clip-norm max-grad-norm",
    "ema-decay": "ema averaging",
    # Run
    "time": "duration minutes max-time time-limit t",
    "steps": "num-steps n-steps max-steps iterations iters num-iters max-iters num-iterations",
    "epochs": "num-epochs n-epochs max-epochs e",
    "patience": "early-stopping",
    "resume": "continue resume-from restart",
    "engine": "backend device",
    "threads": "num-threads workers num-workers jobs n-jobs j",
    "seed": "random-seed rng-seed random-state s",
    "eval-every": "eval-interval eval-val-every print-every log-interval checkpoint-every",
    # Output
    "out": "output output-file out-dir output-dir save save-to savefile checkpoint-name checkpoint-dir checkpoint",
    "json": "as-json json-output jsonl",
    "quiet": "silent",
    "force": "overwrite yes f",
    "log": "log-file logfile",
    "page": "html report",
    "precision": "quantize quantization dtype weight-type",
    "title": "name heading headline",
    "no-provenance": "anonymous no-metadata private",
    "plot": "figure picture image output out o",
    "version": "v",
    # Writing text
    "temp": "temperature t",
    "length": "num-chars num-characters chars max-tokens max-new-tokens max-length max-gen-length n-predict words l",
    "prime": "prompt start start-text primetext prime-text seed-text prefix input text p",
    "prime-file": "prompt-file input-file",
    "count": "num-samples n-samples samples num number n k",
    "top-k": "topk k",
    "top-p": "topp nucleus p",
    "min-p": "minp",
    "typical": "typical-p",
    "loop-penalty": "repeat-penalty repetition-penalty",
    "ban": "exclude forbid",
    "allow": "alphabet charset",
    "match": "regex pattern grammar",
    "stop": "stop-text stop-sequence until",
    "stop-after": "end-after keep-stop",
    "end": "end-with end-at complete",
    "min-length": "min-tokens min-new-tokens min-chars",
    "no-empty": "skip-empty skip-blank nonempty",
    "no-echo": "no-prime skip-prime hide-prime",
    "stop-at-newline": "newline one-line single-line lines",
    "separator": "delimiter delim between sep",
    "null": "print0 null-data zero 0",
    "unique": "no-duplicates dedup distinct",
    # Scoring and inspecting
    "above": "min threshold",
    "below": "max",
    "top": "best worst k n",
    "heatmap": "color colour highlight",
    "history": "loss losses curve curves",
    "neurons": "activations units",
    "vocabulary": "vocab embeddings neighbors neighbours",
    "feature": "features regex pattern",
}
"""Options, and their names in other programs: char-rnn, torch-rnn, textgenrnn, nanoGPT and common scripts."""
COMMANDS = {
    "train": "fit learn run resume finetune fine-tune",
    "sample": "generate gen write complete predict continue infer print",
    "score": "evaluate eval perplexity ppl loss test validate",
    "inspect": "show info view plot describe summary stats history",
    "export": "publish share convert web html",
    "warm-up": "warmup compile precompile cache",
    "--help": "help usage",
    "--version": "version",
}
"""Commands, and their names in other programs."""
ARGUMENTS = {
    "corpus.txt": "data data-dir data-file data-path dataset corpus train-data train-file input input-file text file f",
    "model.safetensors": "checkpoint checkpoint-file ckpt model model-file model-path load weights",
}
"""Arguments by an example, and the options that other programs have for them."""
TO_A_FILE = ("o", "out", "output", "output-file", "save", "save-to")
"""Options of other programs for which charrnn relies on the shell."""


def no_such_option(name: str, given: list[str], context: Any) -> str:
    """The message for an option in the command line `given` that the context's command does not have."""
    listed = dict.fromkeys(max(option.opts, key=len) for option in _shown(context.command, context))
    where = "" if context.parent else " before a command"
    return f"{_advice(name, given, context)} (the options{where}: {', '.join(listed)})"


def _advice(name: str, given: list[str], context: Any) -> str:
    """What an unknown option may mean."""
    command, path, known = context.command, context.command_path, _options(context.command, context)
    name, synonyms = _as_given(name, given), _synonyms(RENAMED, OPTIONS)
    start = f"{command.name} has no option {name}" if context.parent else f"no option {name}"
    found = near(name, known, synonyms, alike=False)
    if not found and context.parent and plain(name) in TO_A_FILE:
        return f"{start}: it writes to stdout, as in {path} > FILE"
    if found or (found := near(name, known, synonyms)):
        return f"{start}: did you mean {_any_of(found)}?"
    if example := _argument(name, command):
        return f"{start}: name the file without it, as in {path} {example}"
    for other in _others(given, context):
        if found := near(name, _options(other, context), synonyms, alike=False):
            if context.parent:
                return f"{start}: charrnn {other.name} has {found[0]}"
            return f"{start} before a command: did you mean charrnn {other.name} {found[0]}?"
    return f"{start}: {path} --help describes those that there are"


def no_such_command(name: str, commands: Iterable[str]) -> str:
    """The message for an unknown command."""
    start, synonyms, commands = f"no command {name!r}", _synonyms(COMMANDS), [*commands]
    listed = f"the commands are {_any_of(commands, 'and')}"
    names = {plain(command): command for command in (*commands, "--help", "--version")}
    if plain(name) not in synonyms and (name == "-" or os.path.exists(name)):
        verb = "sample" if name.endswith(".safetensors") else "train"
        return f"{start}: did you mean charrnn {verb} {shell_words.quote(name)}? ({listed})"
    if found := near(name, names, synonyms):
        return f"{start}: did you mean {_any_of(found)}? ({listed})"
    return f"{start}: {listed}"


def near_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that a name is a spelling of, or a typing error for, if any."""
    return next(iter(near(name, {plain(each): each for each in known}, {})), None)


def near_option(name: str, command: Any) -> Any:
    """The option of a command that a name may mean, if any."""
    options = {
        name: option for option in command.params if option.param_type_name == "option" for name in _names(option)
    }
    found = near(name, {plain(name): name for name in options}, _synonyms(RENAMED, OPTIONS))
    return options[found[0]] if found else None


def near(name: str, known: Mapping[str, str], synonyms: Mapping[str, tuple[str, ...]], alike: bool = True) -> list[str]:
    """The known names that a name may mean, at most `MAX_SUGGESTIONS`, the best first; the keys of `known` are plain.

    In this order: the same name in another spelling, a synonym and, if `alike` is true, a name that begins with it or
    has it as a part, and a name with a typing error.
    """
    word = plain(name)
    if word in known:
        return [known[word]]
    meant = [known[target] for target in synonyms.get(word, ()) if target in known]
    if meant or not alike:
        return meant[:MAX_SUGGESTIONS]
    parts = [shown for other, shown in known.items() if other.startswith(word) or word in other.split("-")]
    if len(word) > 1 and 0 < len(parts) <= MAX_SUGGESTIONS:
        return parts
    # A typing error may be in a synonym too; names of one or two letters are all alike
    targets = {other: shown for other, shown in known.items() if len(other) > 1}
    for other, meanings in synonyms.items():
        if len(other) > 2 and (meant := [known[target] for target in meanings if target in known]):
            targets[other] = meant[0]
    likeliest = get_close_matches(word, targets, n=2 * MAX_SUGGESTIONS, cutoff=MIN_SIMILARITY)
    ratios = [SequenceMatcher(None, other, word).ratio() for other in likeliest]
    found = [targets[other] for other, ratio in zip(likeliest, ratios, strict=True) if ratio >= ratios[0] - MAX_GAP]
    return [*dict.fromkeys(found)][:MAX_SUGGESTIONS]


def plain(name: str) -> str:
    """A name without its leading dashes, in the form that is compared: --Hidden_Size becomes hidden-size."""
    return name.lstrip("-").lower().replace("_", "-")


def _synonyms(*tables: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The inverse of the tables: the plain names for each synonym, those of the first table first."""
    found: dict[str, tuple[str, ...]] = {}
    for table in tables:
        for target, words in table.items():
            for word in words.split():
                found[word] = (*found.get(word, ()), plain(target))
    return found


def _options(command: Any, context: Any) -> dict[str, str]:
    """The options that a command shows, by their plain names."""
    return {plain(name): name for option in _shown(command, context) for name in _names(option)}


def _shown(command: Any, context: Any) -> list[Any]:
    """The options that a command shows."""
    options = [option for option in command.get_params(context) if option.param_type_name == "option"]
    return [option for option in options if not option.hidden]


def _names(option: Any) -> list[str]:
    return [*option.opts, *option.secondary_opts]


def _as_given(name: str, given: list[str]) -> str:
    """The option as it was typed: for -rnn_size, as in older programs, Typer reports only -r."""
    if re.fullmatch("-[^-]", name):
        for word in given:
            if re.match("-[a-zA-Z][a-zA-Z]", word) and name[1] in word:
                return word.partition("=")[0]
    return name


def _argument(name: str, command: Any) -> str | None:
    """An example of the argument that replaces an option of other programs, if the command has such an argument."""
    arguments = [parameter.name for parameter in command.params if parameter.param_type_name == "argument"]
    taken = {"model.safetensors" if argument.startswith("checkpoint") else "corpus.txt" for argument in arguments}
    return next((e for e, words in ARGUMENTS.items() if e in taken and plain(name) in words.split()), None)


def _others(given: list[str], context: Any) -> list[Any]:
    """The other commands of the program; those that the command line names come first."""
    program = context.find_root().command
    commands = [other for name, other in program.commands.items() if other is not context.command]
    return sorted(commands, key=lambda other: other.name not in given)


def _any_of(names: list[str], word: str = "or") -> str:
    """The names as a list in a sentence."""
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last
