"""Bad input of every kind for every command: its exit code, and the one line that is printed."""

import json
import os
import shlex
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from charrnn.checkpoint import model_file
from charrnn.checkpoint.tensor_file import TensorFile
from support.processes import SMALL, TEXT, charrnn, posix, train_model

TABLE = """
# the texts to learn from
train missing.txt                             | 1 | can't read missing.txt
train empty.txt                               | 1 | empty.txt
train one.txt                                 | 1 | one.txt
train nothing/                                | 1 | nothing
train latin1.txt                              | 1 | --encoding
train binary.bin                              | 1 | --bytes
train corpus.txt missing.txt                  | 1 | missing.txt
train corpus.txt --encoding utf-9             | 1 | utf-9
train corpus.txt --encoding utf-16            | 1 | utf-16
train corpus.txt --errors sometimes           | 2 | sometimes
train corpus.txt --bytes --encoding latin-1   | 2 | --bytes
train loop.txt                                | 1 | loop.txt
train one-line.txt --lines                    | 1 | line
train corpus.txt --pairs                      | 1 | line 1 has no tab in corpus.txt
train one.tsv --pairs                         | 1 | only one pair
train bad.tsv --pairs                         | 1 | line 3 has 2 tabs in bad.tsv; 3 lines are like that
train pairs.tsv --pairs --lines               | 2 | --lines and --pairs
train pairs.tsv --skip-bad                    | 2 | skip_bad is only for lines of source
train pairs.csv --pairs --csv a               | 2 | --csv is the names of two columns
train pairs.csv --pairs --csv a,c             | 1 | no column 'c': its first line names a, b
train pairs.csv --pairs --csv a,b --jsonl a,b | 2 | --csv and --jsonl
train pairs.csv --csv a,b                     | 2 | --pairs
train pairs.csv --csv c                       | 1 | no column 'c': its first line names a, b
train pairs.csv --csv ''                      | 2 | --csv is the name of one column
train pairs.csv --csv a --bytes               | 2 | leave out --bytes
train pairs.csv --csv a --lines               | 2 | --lines and --csv can't both be given
train pairs.csv --csv a --jsonl a             | 2 | --csv and --jsonl can't both be given
train pairs.csv --csv a --skip-bad            | 2 | skip_bad is only for lines of source
train pairs.csv --csv a,b --lines             | 2 | --csv a,b is two columns
train pairs.csv --jsonl a                     | 1 | line 1 of pairs.csv is not JSON
train corpus.txt --records-by % --pairs       | 2 | --pairs and --records-by can't both be given
train corpus.txt --documents --classify       | 2 | --classify and --documents can't both be given
train corpus.txt --documents --tags           | 2 | --tags and --documents can't both be given
train corpus.txt --documents --records-by %   | 2 | --records-by and --documents can't both be given
train corpus.txt --documents --conll          | 2 | --conll is for words with tags: give --tags too
train corpus.txt --records-by 'a\\q'          | 2 | has a backslash without
train corpus.txt --records-by '\\ud83d'       | 2 | one half of a surrogate pair
train corpus.txt --records-by '#!#'           | 1 | only one record: --records-by needs at least two
train corpus.txt --documents                  | 1 | only one document: --documents needs at least two
train pairs.csv --pairs --csv a,b --bytes     | 2 | leave out --bytes
train pairs.csv --pairs --jsonl a,b           | 1 | line 1 of pairs.csv is not JSON
train words.conll --conll                     | 2 | --conll is for words with tags: give --tags too
train words.conll --tags --conll --bytes      | 2 | leave out --bytes
train words.conll --tags --conll --csv a,b    | 2 | --csv and --conll
train words.conll --tags --conll              | 1 | line 2 of words.conll has the word 'b' without a tag
# the options of a run
train corpus.txt --frobnicate                 | 2 | --frobnicate
train corpus.txt --steps                      | 2 | --steps
train corpus.txt --steps x                    | 2 | --steps
train corpus.txt --steps -1                   | 2 | steps
train corpus.txt --steps 5 --epochs 2         | 2 | --epochs
train corpus.txt --steps 5 --time 3s          | 2 | --time
train corpus.txt --time soon                  | 2 | soon
train corpus.txt --time 0s                    | 2 | time
train corpus.txt --epochs 1.5                 | 2 | --epochs
train corpus.txt --cell transformer           | 2 | lstm, gru, rnn
train corpus.txt --hidden-size 0              | 2 | hidden_size
train corpus.txt --hidden-size 1000000        | 2 | hidden_size
train corpus.txt --layers 0                   | 2 | layers
train corpus.txt --layers 1000                | 2 | layers
train corpus.txt --dropout 1                  | 2 | dropout
train corpus.txt --dropout nan                | 2 | dropout
train corpus.txt --drop-connect -0.1          | 2 | drop_connect
train corpus.txt --lr -1                      | 2 | lr
train corpus.txt --lr nan                     | 2 | lr
train corpus.txt --lr inf                     | 2 | lr
train corpus.txt --optimizer lion             | 2 | adam
train corpus.txt --momentum 0.5               | 2 | sgd
train corpus.txt --schedule square            | 2 | linear
train corpus.txt --schedule linear --lr-decay 0.5 | 2 | step
train corpus.txt --hold 5                     | 2 | hold
train corpus.txt --clip -1                    | 2 | clip
train corpus.txt --clip-by size               | 2 | norm
train corpus.txt --ema-decay 1                | 2 | ema_decay
train corpus.txt --patience -1                | 2 | patience
train corpus.txt --patience 2 --val-fraction 0 | 2 | --patience
train corpus.txt --val-fraction 0.95          | 2 | val_fraction
train corpus.txt --batch-size 0               | 2 | batch_size
train corpus.txt --seq-length 0               | 2 | seq_length
train corpus.txt --seed -1                    | 2 | seed
train corpus.txt --seed 99999999999999999999  | 2 | seed
train corpus.txt --threads 0                  | 2 | threads
train corpus.txt --engine fortran             | 2 | numpy
# the files of a run
train corpus.txt --out model.safetensors      | 1 | exists
train corpus.txt --out model.txt              | 2 | must end in .safetensors
train corpus.txt --out nothing                | 1 | is a folder
train corpus.txt --out corpus.txt/m.safetensors | 1 | can't write
train corpus.txt --log log.jsonl              | 1 | exists
train corpus.txt --log corpus.txt             | 2 | corpus.txt
train corpus.txt --log .                      | 1 | is a folder
train corpus.txt --log -                      | 2 | the name of a file
train - -                                     | 1 | give - once
train ''                                      | 1 | can't read ''
train --resume                                | 1 | there is no model in checkpoints
train --resume --out missing.safetensors      | 1 | no training to resume
train --resume --out alone.safetensors        | 1 | no training to resume
train other.txt --resume --out model.safetensors | 1 | not the one
train --resume --out model.safetensors --hidden-size 99 | 2 | hidden_size
train --resume --out model.safetensors --steps 1 | 2 | already
train corpus.txt --init-from missing.safetensors | 1 | there is no missing.safetensors
train corpus.txt --init-from cut.safetensors  | 1 | cut.safetensors
train corpus.txt --init-from model.safetensors --cell gru | 2 | cell
train cyrillic.txt --init-from model.safetensors | 1 | never seen
# models
sample                                        | 1 | there is no model in checkpoints
sample missing.safetensors                    | 1 | there is no missing.safetensors
sample corpus.txt                             | 1 | not a checkpoint
sample empty.txt                              | 1 | not a checkpoint
sample nothing                                | 1 | not a file
sample cut.safetensors                        | 1 | damaged
sample header.safetensors                     | 1 | damaged
sample nan.safetensors                        | 1 | NaN
sample newer.safetensors                      | 1 | newer charrnn
sample foreign.safetensors                    | 1 | not written for charrnn
sample deep.safetensors                       | 1 | damaged
sample wide.safetensors                       | 1 | damaged
sample model.resume.safetensors               | 1 | is a training state
inspect cut.safetensors                       | 1 | damaged
inspect model.resume.safetensors              | 1 | is a training state
inspect model.safetensors nan.safetensors --history | 1 | NaN
score cut.safetensors corpus.txt              | 1 | damaged
# sampling
sample model.safetensors -n x                 | 2 | --length
sample model.safetensors -n -2                | 2 | -2
sample model.safetensors --temp -1            | 2 | temp
sample model.safetensors --temp hot           | 2 | hot
sample model.safetensors --temp nan           | 2 | temp
sample model.safetensors --top-k -1           | 2 | top_k
sample model.safetensors --top-p 0            | 2 | top_p
sample model.safetensors --top-p 1.1          | 2 | top_p
sample model.safetensors --min-p 2            | 2 | min_p
sample model.safetensors --typical 0          | 2 | typical
sample model.safetensors --loop-penalty -1    | 2 | loop_penalty
sample model.safetensors --seed -1            | 2 | seed
sample model.safetensors --count 0            | 2 | count
sample model.safetensors --allow ☃            | 2 |
sample model.safetensors --allow ''           | 2 | empty
sample model.safetensors --ban ''             | 2 | empty
sample model.safetensors --stop ''            | 2 | empty
sample model.safetensors --prime-file .       | 1 | folder
sample model.safetensors --match '('          | 2 | regular expression
sample model.safetensors --max-copy 5         | 2 | --corpus
sample model.safetensors --max-copy 5 --corpus missing.txt | 1 | missing.txt
sample model.safetensors --prime a --prime-file corpus.txt | 2 | --prime
sample model.safetensors --prime ☃            | 1 | never seen
sample model.safetensors --prime-file missing.txt | 1 | missing.txt
sample model.safetensors --unknown perhaps    | 2 |
sample model.safetensors --logprobs           | 2 | --json
sample model.safetensors --novel              | 2 | --lines
sample model.safetensors --count 2 --out-dir corpus.txt | 1 | corpus.txt is not a folder
sample model.safetensors --out-dir nothing --json | 2 | --out-dir and --json
sample model.safetensors --separator a -0     | 2 | --separator and --null
sample model.safetensors --separator 'a\\'    | 2 | has a backslash without
sample model.safetensors --label a            | 2 | --pairs
sample model.safetensors --label a --interactive | 2 | --label
sample model.safetensors --state-in corpus.txt | 1 | corpus.txt
sample model.safetensors --state-out model.safetensors | 1 | this command reads
sample model.safetensors --state-out corpus.txt | 1 | exists
sample model.safetensors --state-out .        | 1 | is not a file
sample model.safetensors --state-out -        | 1 | is not a file
sample model.safetensors --clamp-unit 0:99=1  | 2 | no unit
sample model.safetensors --engine fortran     | 2 | numpy
# rewriting
translate model.safetensors corpus.txt        | 2 | --pairs
translate corpus.txt model.safetensors        | 2 | before the texts
translate missing.safetensors                 | 1 | missing.safetensors
# labels
tag model.safetensors pairs.tsv               | 2 | --tags
tag model.safetensors words.conll --conll     | 2 | --tags
tag model.safetensors words.conll --conll --spans | 2 | leave out --spans
classify model.safetensors pairs.tsv          | 2 | --classify
classify model.safetensors pairs.tsv --plot x.svg | 2 | add --evaluate
classify model.safetensors pairs.tsv --evaluate --plot x.gif | 2 | .svg
classify model.safetensors pairs.tsv --evaluate --force | 2 | --force is only for --plot
# scoring
score model.safetensors missing.txt           | 1 | missing.txt
score model.safetensors - -                   | 1 | give - once
score model.safetensors empty.txt             | 1 | empty
score model.safetensors cyrillic.txt          | 1 | --unknown skip
score corpus.txt model.safetensors            | 2 | before the texts
score model.safetensors --stateful corpus.txt | 2 | --per-line
score model.safetensors --heatmap --json corpus.txt | 2 | --heatmap
score model.safetensors --unknown perhaps corpus.txt | 2 | unknown
score model.safetensors corpus.txt --documents | 2 | and this one reads continuous text
score model.safetensors corpus.txt --csv a --jsonl a | 2 | --csv and --jsonl
score model.safetensors pairs.csv --csv a,b   | 2 | --csv is the name of one column
# inspection
inspect model.safetensors --neurons           | 2 | --neurons
inspect model.safetensors --context --corpus missing.txt | 1 | missing.txt
inspect model.safetensors --attribution a     | 2 | a classifier or a tagger, and this is a language model
inspect model.safetensors --plot x.gif --history | 2 | .svg
frobnicate                                    | 2 | frobnicate
"""

ROWS = [tuple(part.strip() for part in line.split("|")) for line in TABLE.splitlines() if line and line[0] != "#"]


def copy_with_metadata(source: Path, to: Path, **changes: str) -> None:
    """Copies a model, with some of its metadata changed."""
    save_file(load_file(source), to, metadata=dict(TensorFile(source).metadata) | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with all files that the table names. No row may change any of them."""
    folder = tmp_path_factory.mktemp("bad-input")
    model = train_model(folder, TEXT, steps=3)
    (folder / "nothing").mkdir()
    for name, content in {
        "empty.txt": b"",
        "one.txt": b"x",
        "one-line.txt": b"a single line\n",
        "one.tsv": b"a\tb\n",
        "bad.tsv": b"a\tb\nc\td\ne\tf\tg\nh\n\ti\n",
        "pairs.tsv": b"a\tb\nc\td\n" * 20,
        "pairs.csv": b"a,b\n" + b"1,2\n" * 20,
        "words.conll": b"a O\nb\n\nc X\n",
        "latin1.txt": "café ".encode("latin-1") * 50,
        "binary.bin": bytes(range(256)) * 4,
        "other.txt": TEXT.replace("truth", "trout").encode(),
        "cyrillic.txt": ("щука и рак\n" * 30).encode(),
        "log.jsonl": b"{}\n",
        "cut.safetensors": model.read_bytes()[:-100],
        "header.safetensors": struct.pack("<Q", 50) + b"{" * 50 + model.read_bytes()[58:],
    }.items():
        (folder / name).write_bytes(content)
    shutil.copy(model, folder / "alone.safetensors")
    if os.name == "posix":
        (folder / "loop.txt").symlink_to("loop.txt")
    tensors = load_file(model)
    tensors["decoder.bias"][0] = float("nan")
    save_file(tensors, folder / "nan.safetensors", metadata=dict(TensorFile(model).metadata))
    save_file(load_file(model), folder / "foreign.safetensors", metadata={"format": "pt"})
    copy_with_metadata(model, folder / "newer.safetensors", charrnn="99")
    copy_with_metadata(model, folder / "deep.safetensors", vocabulary="[" * 100_000)
    copy_with_metadata(model, folder / "wide.safetensors", vocabulary=json.dumps([0] * 1_300_000))
    assert model_file.load(folder / "alone.safetensors")
    before = contents(folder)
    yield folder
    assert contents(folder) == before


def test_the_table_is_long_and_has_every_command() -> None:
    assert len(ROWS) >= 80
    assert {row[0].split()[0] for row in ROWS} >= {"train", "sample", "score", "inspect"}


def contents(folder: Path) -> dict[Path, bytes]:
    """All files of a folder except locks."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def words(line: str) -> list[str]:
    """The arguments of a row; a run is small and short unless the row says otherwise."""
    found = shlex.split(line)
    if found[0] == "train" and "--resume" not in found:
        given = {word for word in found if word.startswith("--")}
        found += [word for pair in zip(SMALL[::2], SMALL[1::2], strict=True) if pair[0] not in given for word in pair]
        found += [] if {"--steps", "--epochs", "--time"} & given else ["--steps", "2"]
    return found


@posix
@pytest.mark.parametrize(("line", "code", "why"), ROWS, ids=[row[0] for row in ROWS])
def test_bad_input_prints_one_line_and_has_its_exit_code(line: str, code: str, why: str, folder: Path) -> None:
    done = charrnn(*words(line), cwd=folder)
    *notices, last = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (int(code), ""), done
    assert last.startswith("charrnn: ")
    assert why in last
    assert not [line for line in notices if line.startswith(("charrnn", "Traceback", " "))]
