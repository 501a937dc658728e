"""The examples of `charrnn train --help`."""

EXAMPLES = """\b
The defaults in [brackets] apply with --steps or --epochs. With --time, or if
no length is given, charrnn chooses the options that you leave out to suit
this machine and this text. Each option can also come from the environment:
CHARRNN_TRAIN_LR=0.001.

\b
Examples:
  charrnn train corpus.txt --time 10m
  charrnn train src/ --cell gru --hidden-size 256 --precision auto --epochs 20
  charrnn train src/ --include '*.py' --exclude tests
  charrnn train news.txt.gz notes.txt.zst
  cat *.txt | charrnn train - --out all.safetensors
  charrnn train --resume checkpoints/corpus.safetensors --steps 20000
  charrnn train old.txt --encoding cp1251 --normalize nfc
  charrnn train song.mid --bytes
  charrnn train book.txt --val-file other-book.txt
  charrnn train letters.txt --init-from checkpoints/corpus.safetensors
  charrnn train names.txt --lines && charrnn sample --count 20
  charrnn train cards.txt --records-by '' && charrnn sample --count 5
  charrnn train poems/ --documents
  charrnn train reviews.csv --csv text
  charrnn train names.tsv --pairs && charrnn sample --label Russian
  charrnn train sentences.conll --tags --conll
  charrnn train reviews.tsv --classify && charrnn classify --evaluate new.tsv
"""
