"""The interactive mode of `charrnn sample`: a text that you and the model write together, line by line.

On a terminal a line goes on with the text so far. Through a pipe each line begins a text of its own, as it does for a
model of lines; `/more` goes on with it.
"""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import typer

from charrnn.cli.sample import editor, ends
from charrnn.cli.sample.commands import Command, as_commands, help_lines, message, parse
from charrnn.cli.sample.line_input import LineInput
from charrnn.cli.sample.primes import read_prime
from charrnn.cli.sample.settings import CHARACTERS, END_FIELDS, Settings, number
from charrnn.cli.sample.text_file import TextFile, check_new, named
from charrnn.cli.terminal.console import Output, notice, notifier, until_interrupted
from charrnn.dataset.escapes import escape, unescape
from charrnn.dataset.shell_words import quote
from charrnn.errors import CharRNNError, ConfigError, counted
from charrnn.model.model import Model
from charrnn.sampling.request import SamplingRequest
from charrnn.sampling.writing import Writing

MAX_SHOWN = 60
"""The most characters of a piece that was taken back, and of the text before it, that are shown."""
REMOVED_BY_NOTHING = (*END_FIELDS, *CHARACTERS, "match", "label")
"""The settings that a command without a value removes; the others it shows."""


def converse(model: Model, request: SamplingRequest, options: Mapping[str, Any], output: Output) -> None:
    """Reads lines and commands until the input ends, and lets the model go on after each line.

    `options` are those of the command line. Through a pipe, a line or a command that failed, which is told in its turn,
    gives the exit code 1 in the end: nobody reads along.
    """
    conversation = Conversation(model, request, options, output)
    conversation.run()
    if conversation.failed and not conversation.lines.is_terminal:
        output.close()
        raise typer.Exit(1)


class Conversation:
    """The texts, the settings of the next piece, and where lines come from and pieces go."""

    def __init__(self, model: Model, request: SamplingRequest, options: Mapping[str, Any], output: Output):
        self.model, self.output, self.echo = model, output, not options["no_echo"]
        self.tell = notifier(options["quiet"])
        self.lines = LineInput(model, options["encoding"], options["history"], self.tell)
        self.failed = False
        """Whether a line or a command has failed."""
        self.writes_on = self.lines.is_terminal and not model.reads_lines
        """Whether a line goes on with the text; otherwise each begins a text of its own."""
        self.settings = Settings.from_options(model, request, options, self.writes_on, self._notice)
        self.texts = [(Writing(model), TextFile())]
        """The last is the present one; the others wait for `/back`."""
        self.writing.add(self.settings.clean(read_prime(options["prime"], options["prime_file"], model)))
        self.commands: dict[str, Callable[[str, bool], None]] = {
            "more": self._more,
            "again": self._again,
            "back": self._back,
            "edit": self._edit,
            "new": self._new,
            "text": self._text,
            "save": self._save,
            "state": self._state,
            "seed": self._seed,
            "help": self._help,
        }

    @property
    def writing(self) -> Writing:
        """The present text."""
        return self.texts[-1][0]

    @property
    def file(self) -> TextFile:
        """Where the present text is saved."""
        return self.texts[-1][1]

    def run(self) -> None:
        """Reads lines until the input ends, or a command says so."""
        if self.lines.is_terminal:
            self._greet()
        try:
            self._read_lines()
        finally:
            self._show_unsaved()

    def _read_lines(self) -> None:
        while True:
            try:
                typed = self.lines.read("> ")
            except EOFError:
                return
            except KeyboardInterrupt:
                if not self.lines.has_begun:
                    raise
                self.tell("the line is dropped; Ctrl-C again, or Ctrl-D, leaves")
                continue
            command = None
            try:
                command = parse(typed)
                if command and command.name == "quit":
                    return
                if command:
                    self._obey(command)
                else:
                    self._continue(typed.removeprefix("/") if typed.startswith("//") else typed)
            except CharRNNError as error:
                self.failed = True
                notice(f"charrnn: {message(error, command)}")
            except KeyboardInterrupt:  # within several lines, or before the model writes
                if not self.lines.is_terminal:
                    raise
                self.tell("stopped; Ctrl-C again, or Ctrl-D, leaves")

    def _obey(self, command: Command) -> None:
        name, value, forced = command
        if name in self.commands:
            self.commands[name](value, forced)
        elif value or name in REMOVED_BY_NOTHING:
            self.settings = self.settings.changed(name, value)
        else:
            notice(self.settings.shown(name))

    # What the model writes

    def _continue(self, typed: str) -> None:
        """Lets the model write after a line."""
        text = self.settings.clean(self.lines.read_text(typed, "the prime"))
        if not self.writes_on:  # what came before is not needed any more
            self.texts = [(Writing(self.model), TextFile())]
        self._add(text)
        self._write()

    def _more(self, value: str, forced: bool) -> None:
        if self.model.reads_lines:  # each line, or record, is whole
            self.texts = [(Writing(self.model), TextFile())]
        self._add(self.settings.clean(unescape(value, "/more")))
        self._write()

    def _add(self, text: str) -> None:
        """Adds what was typed."""
        self.writing.add(self.settings.with_source(text))

    def _again(self, value: str, forced: bool) -> None:
        if value.strip():
            self._write(replace(self.settings.request, seed=number("seed", value, int)), again=True)
        else:
            self._write(again=True)

    def _write(self, given: SamplingRequest | None = None, again: bool = False) -> None:
        """Lets the model write a piece, up to Ctrl-C: of a given request, or with the next seed."""
        request = given or self.settings.request
        parts, written = self.writing.write(request, self.settings.one_sentence, again), ""
        self.output.write(self.writing.unanswered(again) if self.echo else "")
        try:
            with closing(parts), until_interrupted() as interrupted:
                for part in parts:
                    self.output.write(part)
                    written += part
                    if interrupted():
                        break
        finally:
            self.output.line()
            self.output.flush()
        if request.end and not written:
            self._notice(ends.without_sentence(request, 1))
        if self.settings.one_sentence and len(self.model.vocabulary.encode(written)) >= request.max_length:
            self.tell(f"no sentence ended within {counted(request.max_length, 'characters')}: /more goes on")
        if self.lines.is_terminal:
            self.tell(f"[seed {request.seed}]" if written else f"[seed {request.seed}: nothing was written]")
        if given is None:
            self.settings = self.settings.with_next_seed()

    # What the person does with it

    def _back(self, value: str, forced: bool) -> None:
        if not self.writing.pieces and len(self.texts) > 1:
            self.texts.pop()
            taken = "back to the text before"
        else:
            piece = self.writing.back()
            taken = f"took back {'an edit to ' if piece.replaced else ''}{_shown(piece.text)}"
        text = self.writing.text
        self.tell(f"{taken}; the text {f'ends with {_shown(text, at_end=True)}' if text else 'is empty'}")

    def _new(self, value: str, forced: bool) -> None:
        if self.writing.pieces:
            self.texts.append((Writing(self.model), TextFile()))
        self.tell("a new text; /back returns to the one before")

    def _edit(self, value: str, forced: bool) -> None:
        if value.strip() not in ("", "text"):
            raise ConfigError("/edit edits the last piece, /edit text the whole text")
        whole = bool(value.strip())
        text = self.writing.text if whole else self.writing.last.text

        def accept(edited: str) -> None:
            clean = self.settings.clean(edited)
            if clean == text:
                self.tell("nothing has changed")
            else:
                self.writing.replace(clean, whole)

        if program := editor.available():
            editor.edit(text, program, accept)
            return
        if self.lines.is_terminal and self.lines.readline is None:  # the line can't begin as the text
            self.tell(escape(text))
        with suppress(EOFError, KeyboardInterrupt):  # which leave the text as it is
            accept(self.lines.read_text(self.lines.read("edit> ", escape(text)), "the text"))

    def _text(self, value: str, forced: bool) -> None:
        self._show(self.writing.text)

    def _save(self, value: str, forced: bool) -> None:
        if not self.writing.text:
            raise ConfigError("there is no text to save yet")
        path = self.file.save(value, self.writing.text, forced)
        self.tell(f"saved {len(self.writing.text):,} characters in {path}")

    def _state(self, value: str, forced: bool) -> None:
        if not value.strip():
            self._show_settings()
            return
        if self.model.reads_lines:
            raise ConfigError(f"a {self.model.record_form.unit[:-1]} is never continued: it has no state to save")
        path = named(value)
        check_new(path, forced, "state")
        self.writing.state(self.settings.request).save(path, self.model)
        self.tell(f"saved the state in {path}: charrnn sample --state-in {quote(str(path))} goes on from here")

    def _seed(self, value: str, forced: bool) -> None:
        if value.strip():
            self.settings = self.settings.changed("seed", value)
            return
        last = next((piece.seed for piece in reversed(self.writing.pieces) if piece.seed is not None), None)
        before = "" if last is None else f"the last piece has the seed {last}; "
        notice(f"{before}the next piece has the seed {self.settings.request.seed}")

    def _help(self, value: str, forced: bool) -> None:
        for line in help_lines():
            notice(line)

    # What the person is told

    @staticmethod
    def _notice(text: str) -> None:
        notice(as_commands(text))

    def _greet(self) -> None:
        if not self.writes_on:
            begun = f"how a {self.model.record_form.unit[:-1]} begins"
            if self.model.layout == "pairs" and self.settings.label is None:
                begun = "a source" if self.model.labels is None else "a label"
            self.tell(f"type {begun}: the model goes on; Enter alone lets it begin one")
        elif self.settings.one_sentence:
            self.tell("write something: the model goes on for a sentence; Enter alone lets it go on")
        else:
            self.tell("write something: the model goes on; Enter alone lets it go on")
        if text := self.writing.text:
            self.tell(f"the text ends with {_shown(text, at_end=True)}")
        self.tell("/help lists the commands, such as /again, /back and /save FILE; Ctrl-D leaves")

    def _show_settings(self) -> None:
        text, n = self.writing.text, len(self.writing.pieces)
        saved = f"saved in {self.file.path}" if self.file.holds(text) else "not saved"
        notice(f"the text has {len(text):,} characters in {n:,} pieces, {saved}")
        notice(self.settings.summary())

    def _show_unsaved(self) -> None:
        """Shows whole, before the end, the texts that are on the terminal in several pieces, and in no file."""
        if not self.lines.shows_output:
            return
        for writing, file in self.texts:
            steps = sum(piece.seed is not None or bool(piece.replaced) for piece in writing.pieces)
            if steps < 2 or file.holds(writing.text):
                continue
            self.tell("a text that was not saved, whole:")
            self._show(writing.text)

    def _show(self, text: str) -> None:
        """Shows a text on lines of its own, at once."""
        self.output.write(text)
        self.output.line()
        self.output.flush()


def _shown(text: str, at_end: bool = False) -> str:
    """The beginning of a text, or its end, in one line."""
    if len(text) <= MAX_SHOWN:
        return f"“{escape(text)}”"
    return f"“…{escape(text[-MAX_SHOWN:])}”" if at_end else f"“{escape(text[:MAX_SHOWN])}…”"
