"""What the help of `charrnn sample` says after its options."""

EXAMPLES = """\b
The filters apply in this order: --allow, --ban, --match and --max-copy, then
--loop-penalty, --temp, --top-k, --top-p, --min-p, --typical.
In --prime, --stop, --stop-after, --separator, --allow and --ban \\n is a
newline, \\t a tab, \\r a carriage return, \\0 NUL, \\uXXXX and \\UXXXXXXXX the
character with this code, and \\\\ a backslash.
Each option can come from the environment too: CHARRNN_SAMPLE_TEMP=0.8.

\b
Examples:
  charrnn sample --temp 0.8
  charrnn sample -n -1 | head -c 2000
  charrnn sample -n -1 --precision int8 | head -c 1G > long.txt
  charrnn sample --prime 'Dear Marget,' --seed 7
  charrnn sample --stop-at-newline --count 10 --ban '0-9'
  charrnn sample --prime 'LOWE:\\n' --stop '\\n\\n' --no-echo
  charrnn sample --end sentence --min-length 200 -n 500
  charrnn sample --adapt --prime-file page.txt --no-echo
  charrnn sample --interactive --history
  charrnn sample --match '[A-Z][a-z]+, [0-9]{1,2} (May|June)'
  charrnn sample -n 80 --match '.*\\.'
  charrnn sample --temp 0.3 --max-copy 20 --corpus corpus.txt
  charrnn sample --clamp-unit 0:17=0.9 --prime 'ROMEO:'
  cut -c-20 lines.txt | charrnn sample --prime - --per-line
  charrnn sample model.safetensors --count 5 --json
  charrnn sample names.safetensors --count 20 --novel --unique
  charrnn sample cards.safetensors --count 5 --separator '\\n---\\n'
"""
