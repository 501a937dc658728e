"""Bad input of every kind for every command: its exit code, and the one line that is printed."""

import bz2
import gzip
import json
import lzma
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
from support.archives import tarred, zipped
from support.checkpoints import save_as_bfloat16
from support.processes import SMALL, TEXT, charrnn, posix, train_model
from support.random_models import random_model

TABLE = """
# the texts to learn from
train missing.txt                             | 1 | can't read missing.txt
train empty.txt                               | 1 | empty.txt
train one.txt                                 | 1 | one.txt
train nothing/                                | 1 | nothing
train latin1.txt                              | 1 | --encoding
train binary.bin                              | 1 | --bytes
train cut.gz                                  | 1 | cut.gz is a gzip file without its end
train damaged.bz2                             | 1 | damaged.bz2 is a damaged bzip2 file
train damaged.xz                              | 1 | damaged.xz is a damaged xz file
train garbage.gz                              | 1 | garbage.gz has bytes after its end that are no gzip data
train garbage/                                | 1 | cut.bz2 > copy`; or leave it out with --exclude cut.bz2
train garbage/ --exclude *.bz2                | 1 | or leave it out with --exclude twice.gz
train garbage/ --exclude *.bz2 --exclude tw*  | 1 | or leave it out with --exclude 'a b.gz'
train corpus.txt --val-file garbage/          | 1 | or leave it out with --exclude cut.bz2
train garbage.gz --lines                      | 1 | `gzip -dc garbage.gz > copy`
score model.safetensors garbage.gz            | 1 | `gzip -dc garbage.gz > copy`
train semicolons.csv --pairs --csv a,b        | 1 | its first line looks separated by semicolons, not commas
train semicolons.csv --csv b                  | 1 | `csvformat -d ';' semicolons.csv > copy.csv`
train pairs.tsv --classify --csv a,b          | 1 | its first line looks separated by tabs, not commas
train wide.csv --csv b                        | 1 | line 3 of wide.csv has 3 columns, and its header 2 (a text
train wide.csv --pairs --csv a,b              | 1 | line 3 of wide.csv has 3 columns, and its header 2 (a text
train twice.csv --classify --csv a,b          | 1 | twice.csv has 2 columns 'a': give each a name of its own
train few.txt --encoding latin-1              | 1 | few.txt looks like utf-8, not latin-1: give --encoding utf-8
score model.safetensors few.txt --encoding koi8-r --unknown skip | 1 | few.txt looks like utf-8, not koi8-r
sample model.safetensors --prime-file few.txt --encoding cp1251 | 1 | few.txt looks like utf-8, not cp1251
train twice.gz                                | 1 | twice.gz is compressed twice
train report.docx                             | 1 | pandoc -t plain report.docx
train texts.zip                               | 1 | unzip -p texts.zip
train texts.tar                               | 1 | tar -xOf texts.tar
train texts.tgz                               | 1 | tar -xOf texts.tgz
train paper.pdf --lines                       | 1 | pdftotext paper.pdf -
train paper.pdf.gz                            | 1 | gzip -dc paper.pdf.gz
train model.safetensors                           | 1 | a file of tensors, which has no text
train cut.xz                                      | 1 | cut.xz is an xz file without its end
train binaries/                               | 1 | no text files: 2 binary files are skipped
train binaries/ --include '*.py' --exclude x  | 1 | match --include '*.py' --exclude 'x'
train corpus.txt --include '*.py'             | 2 | --include and --exclude choose among the files of a folder
train --resume --out model.safetensors --exclude x | 2 | leave out --exclude
score model.safetensors texts.zip                 | 1 | unzip -p texts.zip
score model.safetensors cut.gz                    | 1 | save what can be read of it with `gzip -dc cut.gz > copy`
score model.safetensors alone.safetensors         | 1 | a model reads such files only if it was trained with --bytes
sample model.safetensors --prime-file paper.pdf   | 1 | pdftotext paper.pdf -
sample model.safetensors --max-copy 5 --corpus texts.tgz | 1 | tar -xOf texts.tgz
train corpus.txt missing.txt                  | 1 | missing.txt
train corpus.txt --init-from corpus.txt       | 1 | corpus.txt is not a checkpoint: give a model's file, .safetensors
train corpus.txt --encoding utf-9             | 1 | utf-9
train corpus.txt --encoding utf-16            | 1 | utf-16
train latin1.txt                              | 1 | it looks like cp1252, so give --encoding cp1252
train wide.txt                                | 1 | looks like utf-16-le without a byte order mark, not utf-8
train corpus.txt --normalize NFC              | 2 | choose one of nfc, nfd, nfkc, none
train corpus.txt --bytes --normalize nfc      | 2 | --normalize
train --resume --out model.safetensors --normalize nfc | 2 | leave out --normalize
train --resume --out model.safetensors --encoding cp1251 | 2 | leave out --encoding
train corpus.txt --errors sometimes           | 2 | sometimes
train corpus.txt --bytes --encoding latin-1   | 2 | --bytes
train loop.txt                                | 1 | loop.txt
train one-line.txt --lines                    | 1 | line
train corpus.txt --pairs                      | 1 | line 1 has no tab in corpus.txt
train one.tsv --pairs                         | 1 | only one pair
train bad.tsv --pairs                         | 1 | line 4 has no tab; line 5 has no source: write source, tab, target
train bad.tsv --classify                      | 1 | line 3 has 2 tabs in bad.tsv; line 4 has no tab; line 5
train bad.tsv --tags                          | 1 | line 5 has no text: write text, tab, tags, or leave such lines out
train short.csv --pairs --csv a,b             | 1 | line 3 of short.csv has too few columns (2 lines are like that)
train short.csv --classify --csv a,b          | 1 | give each row a text as 'a' and a label as 'b'
train short.csv --tags --csv a,b --skip-bad   | 1 | all 3 lines of short.csv are bad, and so --skip-bad leaves none
train apart.tsv --tags --normalize nfc        | 1 | --normalize nfc changes the number of characters: leave it out
train apart.tsv --tags --normalize nfc --skip-bad | 1 | leaves none: line 1 has 5 tags for 4 characters
train apart.csv --tags --csv a,b --normalize nfkc | 1 | --normalize nfkc changes the number of characters
train apart.tsv --tags --bytes                | 1 | --bytes counts bytes, not characters: leave it out
train apart.csv --tags --csv a,n              | 1 | give each row a text as 'a' and tags as 'n'
train pairs.tsv --pairs --lines               | 2 | --lines and --pairs
train pairs.tsv --skip-bad                    | 2 | --skip-bad is only for texts of --pairs, --classify or --tags
train pairs.csv --pairs --csv a               | 2 | --csv is the names of two columns
train pairs.csv --pairs --csv a,c             | 1 | no column 'c': its first line names a, b
train pairs.csv --pairs --csv a,b --jsonl a,b | 2 | --csv and --jsonl
train pairs.csv --csv a,b                     | 2 | --pairs
train pairs.csv --csv c                       | 1 | no column 'c': its first line names a, b
train pairs.csv --csv ''                      | 2 | --csv is the name of one column
train pairs.csv --csv a --bytes               | 2 | leave out --bytes
train pairs.csv --csv a --lines               | 2 | --lines and --csv can't both be given
train pairs.csv --csv a --jsonl a             | 2 | --csv and --jsonl can't both be given
train pairs.csv --csv a --skip-bad            | 2 | --skip-bad is only for texts of --pairs, --classify or --tags
train pairs.csv --csv a,b --lines             | 2 | --csv a,b is two columns
train pairs.csv --jsonl a                     | 1 | line 1 of pairs.csv is not JSON
train corpus.txt --records-by % --pairs       | 2 | --pairs and --records-by can't both be given
train corpus.txt --documents --classify       | 2 | --classify and --documents can't both be given
train corpus.txt --documents --tags           | 2 | --tags and --documents can't both be given
train corpus.txt --documents --records-by %   | 2 | --records-by and --documents can't both be given
train corpus.txt --documents --conll          | 2 | --conll is for words with tags: give --tags too
train corpus.txt --records-by 'a\\q'          | 2 | --records-by has the unknown escape
train corpus.txt --records-by '\\u00a'        | 2 | --records-by has \\u00a, and \\u needs four digits
train corpus.txt --records-by '#!#'           | 1 | only one record: --records-by needs at least two
train corpus.txt --documents                  | 1 | only one document: --documents needs at least two
train pairs.csv --pairs --csv a,b --bytes     | 2 | leave out --bytes
train pairs.csv --pairs --jsonl a,b           | 1 | line 1 of pairs.csv is not JSON
train words.conll --conll                     | 2 | --conll is for words with tags: give --tags too
train words.conll --tags --conll --bytes      | 2 | leave out --bytes
train words.conll --tags --conll --csv a,b    | 2 | --csv and --conll
train words.conll --tags --conll              | 1 | line 2 of words.conll has the word 'b' without a tag
train corpus.txt --val-file missing.txt       | 1 | can't read missing.txt
train corpus.txt --val-file empty.txt         | 1 | empty.txt is too short to validate on
train corpus.txt --val-file nothing/          | 1 | nothing
train corpus.txt --val-file latin1.txt        | 1 | latin1.txt is not utf-8
train corpus.txt --val-file corpus.txt        | 2 | corpus.txt is part of the corpus
train corpus.txt --val-file -                 | 2 | can't be stdin
train corpus.txt --val-file other.txt --val-spread | 2 | leave out --val-spread
train corpus.txt --val-file other.txt --val-fraction 0.2 | 2 | leave out --val-fraction
train corpus.txt --val-file other.txt --log other.txt | 2 | other.txt can't be the log too
train pairs.tsv --pairs --val-file bad.tsv    | 1 | bad.tsv is too short
train pairs.tsv --pairs --val-file other.txt  | 1 | line 1 has no tab in other.txt
train corpus.txt --val-spread --lines         | 2 | --val-spread is only for continuous text
train corpus.txt --val-spread --val-fraction 0 | 2 | --val-spread is only for a --val-fraction above 0
train corpus.txt --min-count -1               | 2 | --min-count must be at least 0, not -1
train corpus.txt --min-count 1e9              | 2 | --min-count can't be '1e9': give a whole number
train corpus.txt --min-count 100000           | 1 | no character of corpus.txt occurs 100,000 times
train corpus.txt --min-count 2 --bytes        | 2 | leave out --bytes
train corpus.txt --lines --skip-bad           | 2 | --skip-bad is only for texts of --pairs, --classify or --tags
train pairs.tsv --classify --min-count 2      | 2 | --min-count is only for continuous text, lines and records
train corpus.txt --lr fast                    | 2 | --lr can't be 'fast': give a number
train pairs.tsv --pairs --min-count 2         | 2 | --min-count is only for continuous text, lines and records
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
train corpus.txt --hidden-size 0              | 2 | --hidden-size
train corpus.txt --hidden-size 1000000        | 2 | --hidden-size
train corpus.txt --layers 0                   | 2 | layers
train corpus.txt --layers 1000                | 2 | layers
train corpus.txt --dropout 1                  | 2 | dropout
train corpus.txt --dropout nan                | 2 | dropout
train corpus.txt --drop-connect -0.1          | 2 | --drop-connect
train corpus.txt --lr -1                      | 2 | lr
train corpus.txt --lr nan                     | 2 | lr
train corpus.txt --lr inf                     | 2 | lr
train corpus.txt --optimizer magic            | 2 | adam
train corpus.txt --momentum 0.5               | 2 | sgd
train corpus.txt --schedule square            | 2 | linear
train corpus.txt --schedule linear --lr-decay 0.5 | 2 | step
train corpus.txt --hold 5                     | 2 | hold
train corpus.txt --clip -1                    | 2 | clip
train corpus.txt --clip-by size               | 2 | norm
train missing.txt --hold 5 --schedule step    | 2 | --hold and --cooldown are only for --schedule linear or cosine
train missing.txt --patience 2 --val-fraction 0 | 2 | --patience needs a validation loss
train missing.txt --ema-decay 0.9 --val-fraction 0 | 2 | --ema-decay needs a validation loss
train missing.txt --hold 5 --time 9s          | 2 | a known length
train corpus.txt --ema-decay 1                | 2 | --ema-decay
train corpus.txt --patience -1                | 2 | patience
train corpus.txt --patience 2 --val-fraction 0 | 2 | --patience
train corpus.txt --val-fraction 0.95          | 2 | --val-fraction
train corpus.txt --batch-size 0               | 2 | --batch-size
train corpus.txt --seq-length 0               | 2 | --seq-length
train corpus.txt --seed -1                    | 2 | seed
train corpus.txt --seed 99999999999999999999  | 2 | seed
train corpus.txt --threads 0                  | 2 | threads
train corpus.txt --engine fortran             | 2 | numpy
train corpus.txt --precision float16          | 2 | bfloat16
train corpus.txt --precision BFLOAT           | 2 | bfloat16
train corpus.txt --precision ''               | 2 | bfloat16
train corpus.txt --precision int8             | 2 | bfloat16
sample model.safetensors --precision float16  | 2 | int8
sample model.safetensors --precision 8        | 2 | int8
sample model.safetensors --precision ''       | 2 | int8
sample nan.safetensors --precision int8       | 1 | NaN
sample nan.safetensors --precision bfloat16   | 1 | NaN
score model.safetensors corpus.txt --precision INT8 | 2 | int8
# the files of a run
train corpus.txt --out model.safetensors      | 1 | exists
train corpus.txt --out model.txt              | 2 | must end in .safetensors
train corpus.txt --out nothing                | 1 | is a folder
train corpus.txt --out corpus.txt/m.safetensors | 1 | can't write
train corpus.txt --log log.jsonl              | 1 | exists
train corpus.txt --log corpus.txt             | 2 | corpus.txt
train corpus.txt --log .                      | 1 | is a folder
train missing.txt --log log.jsonl             | 1 | log.jsonl exists: overwrite it with --force
train missing.txt --log nothing               | 1 | nothing is a folder
train latin1.txt --init-from model.safetensors --layers 3 | 2 | --layers can't be 3
train latin1.txt --init-from model.safetensors --classify --unknown skip | 2 | labels
train corpus.txt --log -                      | 2 | the name of a file
train - -                                     | 1 | give - once
train ''                                      | 2 | CORPUS can't be empty: give the name of a file or a folder
train corpus.txt ''                           | 2 | CORPUS can't be empty
train corpus.txt --tensorboard ''             | 2 | --tensorboard can't be empty: give the name of a file or a folder
train corpus.txt --log= --out ''              | 2 | --out can't be empty
train corpus.txt --init-from=                 | 2 | --init-from can't be empty
train corpus.txt --val-file ''                | 2 | --val-file can't be empty
sample ''                                     | 2 | CHECKPOINT can't be empty
sample model.safetensors --out-dir ''         | 2 | --out-dir can't be empty
score '' corpus.txt                           | 2 | CHECKPOINT can't be empty
score model.safetensors ''                    | 2 | FILES can't be empty
inspect model.safetensors ''                  | 2 | CHECKPOINTS can't be empty
export '' page.html                           | 2 | CHECKPOINT can't be empty
export model.safetensors ''                   | 2 | DESTINATION can't be empty: give the name of a file or a folder
serve ''                                      | 2 | MODELS can't be empty
train --resume                                | 1 | there is no training to resume in checkpoints
train --resume --out missing.safetensors      | 1 | no training to resume
train --resume --out alone.safetensors        | 1 | no training to resume
train other.txt --resume --out model.safetensors | 1 | not the one
train --resume --out model.safetensors --hidden-size 99 | 2 | --hidden-size
train --resume --out model.safetensors --steps 1 | 2 | already
train --resume model.safetensors --steps 1    | 2 | already
train --resume model.resume.safetensors --hidden-size 99 | 2 | --hidden-size is 16 in the run
train --resume model.safetensors alone.safetensors | 2 | --resume continues one run
train --resume model.safetensors --out alone.safetensors | 2 | --resume continues one run
train --resume alone.safetensors              | 1 | no training to resume
train --resume missing.txt                    | 1 | can't read missing.txt
train --resume nothing                        | 1 | nothing
train corpus.txt --resume                     | 1 | there is no training to resume in checkpoints
train missing.txt --resume --out model.safetensors --seq-length 99 | 2 | --seq-length is 16 in the run
train --resume --out model.safetensors --hold 5 | 2 | --hold and --cooldown are only for --schedule linear or cosine
train --resume --out model.safetensors --val-file other.txt | 1 | began without a text of its own
train --resume --out model.safetensors --val-spread | 2 | --val-spread is False in the run
train --resume --out model.safetensors --min-count 2 | 2 | --min-count is 0 in the run
train corpus.txt --init-from missing.safetensors | 1 | there is no missing.safetensors
train corpus.txt --init-from cut.safetensors  | 1 | cut.safetensors
train corpus.txt --init-from model.safetensors --cell gru | 2 | cell
train corpus.txt --init-from nan.safetensors  | 1 | NaN
train corpus.txt --init-from model.safetensors --bytes | 1 | --bytes
train corpus.txt --init-from model.safetensors --unknown guess | 2 | new, skip, nearest
train pairs.tsv --classify --init-from model.safetensors --unknown skip | 2 | labels
train corpus.txt --unknown skip               | 2 | --init-from
train --resume --out model.safetensors --unknown skip | 2 | --unknown
train corpus.txt --init-from cut16.safetensors | 1 | damaged
# models
classify                                      | 1 | there is no model in checkpoints
tag                                           | 1 | there is no model in checkpoints
translate                                     | 1 | there is no model in checkpoints
sample missing.safetensors                    | 1 | there is no missing.safetensors
sample corpus.txt                             | 1 | not a checkpoint
sample empty.txt                              | 1 | not a checkpoint
sample nothing                                | 1 | not a file
sample cut.safetensors                        | 1 | damaged
sample header.safetensors                     | 1 | damaged
sample nan.safetensors                        | 1 | NaN
sample nan16.safetensors                      | 1 | NaN
sample cut16.safetensors                      | 1 | damaged
sample int16.safetensors                      | 1 | not floating-point
inspect nan16.safetensors                     | 1 | NaN
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
sample model.safetensors --top-k -1           | 2 | --top-k
sample model.safetensors --top-p 0            | 2 | --top-p
sample model.safetensors --top-p 1.1          | 2 | --top-p
sample model.safetensors --min-p 2            | 2 | --min-p
sample model.safetensors --typical 0          | 2 | typical
sample model.safetensors --loop-penalty -1    | 2 | --loop-penalty
sample model.safetensors --seed -1            | 2 | seed
sample model.safetensors --count 0            | 2 | count
sample model.safetensors --allow ☃            | 2 |
sample model.safetensors --allow ''           | 2 | empty
sample model.safetensors --ban ''             | 2 | empty
sample model.safetensors --stop ''            | 2 | empty
sample model.safetensors --stop-after ''      | 2 | empty
sample model.safetensors --prime 'C:\\Users'  | 2 | --prime has \\U, and \\U needs eight digits
sample model.safetensors --separator '\\u12'   | 2 | --separator has \\u12, and \\u needs four digits
sample model.safetensors --ban 'a\\u00-z'      | 2 | --ban has \\u00, and \\u needs four digits
sample model.safetensors --stop '\\ue.'        | 2 | --stop has \\ue, and \\u needs four digits
sample model.safetensors --stop '\\q'         | 2 | --stop has the unknown escape \\q
sample model.safetensors --stop-after 'a\\'   | 2 | --stop-after ends with a backslash
sample model.safetensors --allow '\\W'        | 2 | --allow has the unknown escape \\W
sample model.safetensors --ban z-a            | 2 | --ban has the reversed range z-a
sample model.safetensors --ban '\\d-f'        | 2 | a class has no ends
sample model.safetensors --end word           | 2 | sentence
sample model.safetensors --end sentence -n -1 | 2 | --end sentence is the last one within the --length
sample model.safetensors --temp 1:2 -n -1     | 2 | a --temp that changes along the text needs a --length
sample model.safetensors -n 1e3               | 2 | --length can't be '1e3': give a whole number
sample model.safetensors --top-p much         | 2 | --top-p can't be 'much': give a number
sample model.safetensors --end sentence --stop-after x | 2 | --stop-after and --end
sample model.safetensors --end sentence --match a | 2 | --match and --end
sample model.safetensors --stop-after x --match a | 2 | --match and --stop-after
sample model.safetensors --min-length -1      | 2 | --min-length
sample model.safetensors --min-length 5 -n 4  | 2 | at most the --length, 4
sample model.safetensors --min-length 1001    | 2 | at most the --length, 1000
sample model.safetensors --no-echo --json     | 2 | --no-echo and --json
sample model.safetensors --no-empty --interactive | 2 | --interactive and --no-empty
sample model.safetensors --history            | 2 | --history needs --interactive
sample model.safetensors --interactive --prime - | 2 | --interactive and --prime -
sample model.safetensors --interactive --prime-file - | 2 | --interactive and --prime -
sample model.safetensors --interactive --per-line | 2 | --interactive and --per-line
sample model.safetensors --interactive --prime ☃ | 1 | --unknown nearest
sample model.safetensors --interactive --prime-file missing.txt | 1 | missing.txt
sample model.safetensors --no-empty --per-line --prime - | 2 | --no-empty and --per-line
sample model.safetensors --no-empty --state-in x | 2 | --no-empty and --state-in
sample model.safetensors --no-empty -n 0      | 1 | each of the last 1,000 is empty
sample model.safetensors --count 2 -n -1 --stop ☃ | 2 | need an end
sample model.safetensors --prime-file .       | 1 | folder
sample model.safetensors --match '('          | 2 | --match '(' is not a regular expression: missing )
sample model.safetensors --match 'a{3,2}'     | 2 | --match 'a{3,2}' is not a regular expression
sample model.safetensors --match '[a-z]{500}' -n 80 | 1 | has 500 characters
sample model.safetensors --match '(☃☄)+'      | 1 | never seen '☃'
sample model.safetensors --match 'a\\bb'       | 1 | exclude each other
sample model.safetensors --match 'the' --ban e  | 1 | no text can match: --allow or --ban excludes 'e'
sample model.safetensors --match '[a-z]+' --ban a-z | 1 | --allow or --ban excludes [a-z]
sample model.safetensors --match 'the' --allow ht | 1 | --allow or --ban excludes 'e'
sample model.safetensors --match 'the' --stop h | 1 | since the text ends before it
sample model.safetensors --match '(?<=x)y'    | 1 | no character may come after 0 characters: loosen --match
sample model.safetensors --match '(?<=x)y' --ban ' ' | 1 | loosen --ban or --match
sample model.safetensors --match '((a{1,999}b){1,999}c){1,999}' -n -1 | 2 | or a --length of at most 28
sample model.safetensors --match '(([a-z]{1,50} ){1,50}\\.){1,20}' -n 60 | 2 | or a --length of at most 34
sample model.safetensors --match '[a-z]{60000}' -n 70000 | 2 | give it fewer or smaller repetitions
sample model.safetensors --match '[a-z]+' -n -1 | 2 | --match with --length -1 may go on without end: give a --length
sample model.safetensors --match '.*e' -n -1 --count 2 | 2 | --match with --length -1 may go on without end
sample model.safetensors --match 'a(bc*)?' -n -1 --json --prime a | 2 | --match with --length -1 may go on without end
sample model.safetensors --match '[ab]*' -n -1 --ban e --stop e | 2 | --match with --length -1 may go on without end
sample model.safetensors --match '[a-z]{3}' --min-length 10 | 1 | have at most 3 characters: give at most that
sample model.safetensors --match 'a(bc?)?' --min-length 4 -n 9 --count 3 | 1 | have at most 3 characters
sample model.safetensors --match '(the )+' --min-length 5 -n 6 | 1 | no text that matches has from 5 to 6 characters
sample model.safetensors --max-copy 5         | 2 | --corpus
sample model.safetensors --max-copy 5 --corpus missing.txt | 1 | missing.txt
sample model.safetensors --max-copy 5 --corpus cyrillic.txt | 1 | so that --max-copy has no effect
sample model.safetensors --max-copy 5 --corpus cp1251.txt | 1 | it looks like cp1251
sample model.safetensors --max-copy 5 --corpus wide.txt | 1 | --encoding utf-16-le
sample model.safetensors --encoding latin-1   | 2 | --encoding needs a text to read
sample model.safetensors --prime-file corpus.txt --encoding utf-9 | 1 | utf-9
sample model.safetensors --prime-file wide.txt | 1 | --encoding utf-16-le
sample model.safetensors --prime a --prime-file corpus.txt | 2 | --prime
sample model.safetensors --prime ☃            | 1 | never seen
sample model.safetensors --prime-file missing.txt | 1 | missing.txt
sample model.safetensors --unknown perhaps    | 2 |
sample model.safetensors --logprobs           | 2 | --json
sample model.safetensors --novel              | 2 | --lines
sample model.safetensors --count 2 --out-dir corpus.txt | 1 | corpus.txt is not a folder
sample model.safetensors --out-dir nothing --json | 2 | --out-dir and --json
sample model.safetensors --separator a -0     | 2 | --separator and --null
sample model.safetensors --separator 'a\\'    | 2 | --separator ends with a backslash
sample model.safetensors --label a            | 2 | --pairs
sample model.safetensors --label a --interactive | 2 | --label needs a model of pairs
sample model.safetensors --state-in corpus.txt | 1 | corpus.txt
sample model.safetensors --state-out model.safetensors | 1 | this command reads
sample model.safetensors --state-out corpus.txt | 1 | exists
sample model.safetensors --state-out .        | 1 | is not a file
sample model.safetensors --state-out -        | 1 | is not a file
sample model.safetensors --state-out no/such/x | 1 | there is no folder no/such; make it first
sample model.safetensors --state-out /no/such/x --force | 1 | there is no folder /no/such
sample model.safetensors --clamp-unit 0:99=1  | 2 | no unit
sample model.safetensors --clamp-unit 3=1     | 2 | unit 3 needs its layer, as in 0:3: the only layer is 0
sample model.safetensors --clamp-unit 99=1    | 2 | unit 99 needs its layer, as in 0:15: the only layer is 0
sample model.safetensors --clamp-unit 3:1=1   | 2 | no unit 3:1: the only layer is 0, its units run from 0 to 15
sample model.safetensors --clamp-unit 0:1     | 2 | --clamp-unit is LAYER:INDEX=VALUE
sample missing.safetensors --engine fortran   | 2 | numpy
sample missing.safetensors --unknown perhaps  | 2 | perhaps
sample model.safetensors --max-copy 0 --corpus missing.txt | 2 | --max-copy must be at least 1
sample model.safetensors --max-copy 5 --corpus missing.txt --seed -1 | 2 | --seed must be
sample model.safetensors --max-copy 5 --corpus missing.txt --min-length 5 -n 4 | 2 | at most the --length
sample model.safetensors --max-copy 5 --corpus missing.txt --end word | 2 | sentence
sample model.safetensors --max-copy 5 --corpus missing.txt --count 2 --out-dir corpus.txt | 1 | is not a folder
sample model.safetensors --engine fortran     | 2 | numpy
sample model.safetensors --threads 0          | 2 | --threads must be
sample model.safetensors --threads -2 --engine numpy | 2 | --threads must be
sample model.safetensors --threads 4097       | 2 | from 1 to 4096
sample model.safetensors --threads two        | 2 | --threads
# rewriting
translate model.safetensors corpus.txt        | 2 | --pairs
translate corpus.txt model.safetensors        | 2 | before the texts
translate missing.safetensors                 | 1 | missing.safetensors
# labels
translate model.safetensors corpus.txt --encoding utf-9 | 1 | utf-9
tag model.safetensors pairs.tsv --encoding utf-9 | 1 | utf-9
classify model.safetensors pairs.tsv --encoding utf-9 | 1 | utf-9
tag model.safetensors pairs.tsv               | 2 | --tags
tag model.safetensors words.conll --conll     | 2 | --tags
tag model.safetensors words.conll --conll --spans | 2 | leave out --spans
classify model.safetensors pairs.tsv          | 2 | --classify
classify model.safetensors pairs.tsv --plot x.svg | 2 | add --evaluate
classify model.safetensors pairs.tsv --evaluate --plot x.gif | 2 | .svg
classify model.safetensors pairs.tsv --evaluate --force | 2 | --force is only for --plot
classify missing.safetensors --top 0          | 2 | --top must be at least 1
# scoring
score model.safetensors missing.txt           | 1 | missing.txt
score model.safetensors - -                   | 1 | give - once
score model.safetensors empty.txt             | 1 | empty
score model.safetensors cyrillic.txt          | 1 | --unknown skip
score model.safetensors wide.txt              | 1 | --encoding utf-16-le
score model.safetensors wide.txt --per-line   | 1 | --encoding utf-16-le
score model.safetensors cyrillic.txt --per-line --unknown error | 1 | line 1: the model has never seen
score model.safetensors corpus.txt --above 99% | 2 | this model lacks their scores
score model.safetensors corpus.txt --below 1% --exit-code | 2 | this model lacks their scores
score model.safetensors corpus.txt --above 101% | 2 | --above must be from 0 to 100, not 101
score model.safetensors corpus.txt --above 5%% | 2 | not '5%%'
score model.safetensors corpus.txt --below %  | 2 | not '%'
score model.safetensors corpus.txt --above inf% | 2 | --above must be from 0 to 100
score model.safetensors corpus.txt --above -1% | 2 | --above must be from 0 to 100
score model.safetensors corpus.txt --above 90% --below 10% | 2 | no line is --above 90% and --below 10%
score model.safetensors corpus.txt --above 90% --stateful | 2 | leave out --stateful
score model.safetensors corpus.txt --exit-code | 2 | give one of these
score model.safetensors corpus.txt --per-line --exit-code | 2 | --exit-code
score model.safetensors missing.txt --above 3 --exit-code | 2 | missing.txt
score cut.safetensors corpus.txt --above 3 --exit-code | 2 | damaged
score missing.safetensors corpus.txt --below 3 --exit-code | 2 | missing.safetensors
score model.safetensors cyrillic.txt --above 0 --unknown error --exit-code | 2 | line 1: the model has never seen
score model.safetensors cyrillic.txt --encoding cp1251 | 1 | looks like utf-8, not cp1251: give --encoding utf-8
score model.safetensors cp1251.txt            | 1 | it looks like cp1251
score model.safetensors corpus.txt --encoding utf-9 | 1 | utf-9
score bytes.safetensors corpus.txt --encoding utf-8 | 2 | leave out --encoding
score corpus.txt model.safetensors            | 2 | before the texts
score model.safetensors --stateful corpus.txt | 2 | --per-line
score model.safetensors --windows 0 corpus.txt | 2 | --windows must be at least 1
score model.safetensors --windows 9 --per-line corpus.txt | 2 | --windows is for the score of a whole text
score model.safetensors --heatmap --json corpus.txt | 2 | --heatmap
score model.safetensors --unknown perhaps corpus.txt | 2 | unknown
score model.safetensors corpus.txt --threads 0 | 2 | --threads must be
score model.safetensors corpus.txt --threads 4097 --per-line | 2 | from 1 to 4096
score model.safetensors corpus.txt --threads 1.5 | 2 | --threads
score model.safetensors corpus.txt --documents | 2 | and this one reads continuous text
score model.safetensors corpus.txt --csv a --jsonl a | 2 | --csv and --jsonl
score model.safetensors pairs.csv --csv a,b   | 2 | --csv is the name of one column
# inspection
inspect model.safetensors --neurons           | 2 | --neurons
inspect model.safetensors --context --corpus missing.txt | 1 | missing.txt
inspect model.safetensors --encoding latin-1  | 2 | --encoding is for files
inspect model.safetensors --surprisal wide.txt | 1 | --encoding utf-16-le
inspect model.safetensors --attribution a     | 2 | a classifier or a tagger, and this is a language model
inspect model.safetensors --plot x.gif --history | 2 | .svg
inspect model.safetensors --plot no/x.svg --history | 1 | there is no folder no
inspect model.safetensors --page no/such/x.html | 1 | there is no folder no/such
inspect model.safetensors --neurons missing.txt --unit 3 | 2 | unit 3 needs its layer, as in 0:3
inspect model.safetensors --neurons missing.txt --unit 1:0 | 2 | no unit 1:0: the only layer is 0
inspect model.safetensors --neurons missing.txt --unit x | 2 | a unit is LAYER:INDEX

# what to compile
warm-up translate                             | 2 | can't be 'translate': choose one of train, sample, score
warm-up train corpus.txt                      | 2 | can't be 'corpus.txt'
warm-up --cell LSTM                           | 2 | can't be 'LSTM': choose one of lstm, gru, rnn
warm-up sample --cell lstm --cell ''          | 2 | --cell can't be ''
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
        "few.txt": ("plain text, " * 500 + "a café, naïve, a façade").encode(),
        "wide.csv": b"a,b\n1,2\n1,Smith, John\n" + b"1,2\n" * 20,
        "twice.csv": b"a,b,a\n" + b"1,2,3\n" * 20,
        "apart.tsv": "cafe\u0301\t....x\n".encode() * 9,
        "apart.csv": b"a,b,n\n" + "cafe\u0301,....x,.\n".encode() * 9,
        "short.csv": b"a,b\n1,xy\n3\n4\n",
        "words.conll": b"a O\nb\n\nc X\n",
        "latin1.txt": "café ".encode("latin-1") * 50,
        "binary.bin": bytes(range(256)) * 4,
        "cut.gz": gzip.compress(TEXT.encode())[:-12],
        "cut.xz": lzma.compress(TEXT.encode())[:-12],
        "damaged.bz2": bz2.compress(TEXT.encode())[:100] + bytes(400),
        "damaged.xz": lzma.compress(TEXT.encode())[:100] + b"x" * 500,
        "garbage.gz": gzip.compress(TEXT.encode()) + b"garbage",
        "garbage/a b.gz": gzip.compress(TEXT.encode()) + b"\r\n",
        "garbage/cut.bz2": bz2.compress(TEXT.encode())[:-12],
        "garbage/twice.gz": gzip.compress(gzip.compress(TEXT.encode())),
        "garbage/good.txt": TEXT.encode(),
        "semicolons.csv": b"a;b\n" + b"1;2\n" * 20,
        "twice.gz": gzip.compress(gzip.compress(TEXT.encode())),
        "report.docx": zipped(("[Content_Types].xml", "word/document.xml")),
        "texts.zip": zipped(("a.txt", "b.txt")),
        "texts.tar": tarred("a.txt"),
        "texts.tgz": gzip.compress(tarred("a.txt")),
        "paper.pdf": b"%PDF-1.7\n" + TEXT.encode(),
        "paper.pdf.gz": gzip.compress(b"%PDF-1.7\n" + TEXT.encode()),
        "binaries/a.pyc": b"\xa7\r\r\n" + bytes(12),
        "binaries/b.gz": gzip.compress(tarred("a.txt")),
        "other.txt": TEXT.replace("truth", "trout").encode(),
        "wide.txt": TEXT.encode("utf-16-le"),
        "cp1251.txt": ("щука и рак\n" * 30).encode("cp1251"),
        "cyrillic.txt": ("щука и рак\n" * 30).encode(),
        "log.jsonl": b"{}\n",
        "cut.safetensors": model.read_bytes()[:-100],
        "header.safetensors": struct.pack("<Q", 50) + b"{" * 50 + model.read_bytes()[58:],
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    shutil.copy(model, folder / "alone.safetensors")
    model_file.save(folder / "bytes.safetensors", model_file.Checkpoint(random_model(characters=None)))
    if os.name == "posix":
        (folder / "loop.txt").symlink_to("loop.txt")
    tensors = load_file(model)
    tensors["decoder.bias"][0] = float("nan")
    save_file(tensors, folder / "nan.safetensors", metadata=dict(TensorFile(model).metadata))
    save_as_bfloat16(tensors, folder / "nan16.safetensors", dict(TensorFile(model).metadata))
    save_as_bfloat16(load_file(model), folder / "int16.safetensors", dict(TensorFile(model).metadata), "I16")
    save_as_bfloat16(load_file(model), folder / "cut16.safetensors", dict(TensorFile(model).metadata))
    (folder / "cut16.safetensors").write_bytes((folder / "cut16.safetensors").read_bytes()[:-2])
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
    """All files of a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
