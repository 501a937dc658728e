"""The examples of a model card: the command, the Python and the PyTorch that use a model, with texts that it knows."""

from charrnn.config import REWRITING_LAYOUTS
from charrnn.dataset import shell_words
from charrnn.dataset.vocabulary import TAB
from charrnn.model.model import Model

FILE = "model.safetensors"
"""The name of the model's file."""
TEXTS = ("The", "the", "text")
"""What is tried as a short text of characters that a model knows."""
N_CHARACTERS = 3
"""The characters of the vocabulary that are such a text if it lacks some of each of these."""

COMMANDS = {
    "texts": "charrnn sample {FILE} --temp 0.8",
    "lines": "charrnn sample {FILE} --temp 0.8 --count 10",
    "label": "charrnn sample {FILE} --count 10 {label_option}",
    "source": "printf '%s\\n' {word} | charrnn translate {FILE}",
    "classifier": "printf '%s\\n' {word} | charrnn classify {FILE}",
    "tagger": "printf '%s\\n' {word} | charrnn tag {FILE}",
}
PYTHON = {
    "texts": "config = charrnn.SamplingConfig(temp=0.8)\n"
    'print("".join(charrnn.generate(model, length=200, seed=1, config=config)))',
    "lines": "config = charrnn.SamplingConfig(temp=0.8)\n"
    "for sample in charrnn.sample_lines(model, count=10, seed=1, config=config):\n    print(sample.text)",
    "label": "for sample in charrnn.sample_lines(model, count=10, label={label!a}, seed=1):\n    print(sample.text)",
    "source": "for found in charrnn.translate(model, [{text!a}]):\n    print(found.text)",
    "classifier": "for found in charrnn.classify(model, [{text!a}]):\n    print(found.label, found.probability)",
    "tagger": "for found in charrnn.tag(model, [{text!a}]):\n    print(found.tags, found.spans)",
}
PYTORCH = {
    "language_model": """
net = torch.nn.ModuleDict({{"rnn": {rnn}), "decoder": torch.nn.Linear({H}, {V})}})
net.load_state_dict(load_file("{FILE}"){strict})
outputs, state = net.rnn(one_hot({begin!a}))
logits = net.decoder(outputs)  # of the character after each
""",
    "classifier": """
labels = [label for label, count in json.loads(metadata["labels"])]
net = torch.nn.ModuleDict({{"rnn": {rnn}, bidirectional=True), "head": torch.nn.Linear(4 * {H}, {outputs})}})
net.load_state_dict(load_file("{FILE}"){strict})
outputs, {last} = net.rnn(one_hot({text!a}))
logits = net.head(torch.cat((outputs.mean(0), last[-2], last[-1])))
print(labels[logits.argmax()])
""",
    "tagger": """
tags = [tag for tag, count in json.loads(metadata["labels"])]
net = torch.nn.ModuleDict({{"rnn": {rnn}, bidirectional=True), "head": torch.nn.Linear(2 * {H}, {outputs})}})
net.load_state_dict(load_file("{FILE}"){strict})
logits = net.head(net.rnn(one_hot({text!a}))[0])
print([tags[k] for k in logits.argmax(1)])
""",
    "translator": """
score, output = torch.nn.Linear(2 * {H}, {H}, bias=False), torch.nn.Linear(3 * {H}, {H})
attention = torch.nn.ModuleDict({{"score": score, "output": output}})
net = torch.nn.ModuleDict({{"encoder": {rnn}, bidirectional=True), "decoder": {rnn})}})
net.update({{"attention": attention, "head": torch.nn.Linear({H}, {V})}})
net.load_state_dict(load_file("{FILE}"))
encoded, _ = net.encoder(one_hot({text!a}))
outputs, state = net.decoder(one_hot({TAB!a}))  # after the tab stands what is already written
weights = torch.softmax(outputs @ score(encoded).T, 1)
logits = net.head(torch.tanh(output(torch.cat((outputs, weights @ encoded), 1))))
""",
}
PYTORCH_BEGIN = """\
import json
import torch
from safetensors import safe_open
from safetensors.torch import load_file

metadata = safe_open("{FILE}", "pt").metadata()
vocabulary = json.loads(metadata["vocabulary"])


def one_hot(text):
    return torch.nn.functional.one_hot(torch.tensor({ids}), {V}).float()


"""


def use_of(model: Model) -> str:
    """What a model is for: to write `texts`, `lines`, or lines of a `label`; to rewrite a `source`; or its form."""
    if model.layout in REWRITING_LAYOUTS:
        return "source" if label_of(model) is None else "label"
    if model.config.form != "language_model":
        return model.config.form
    return "lines" if model.reads_lines else "texts"


def command(model: Model) -> str:
    """The command that uses a model."""
    word, option = shell_words.quote(known_text(model)), shell_words.quote(f"--label={label_of(model)}")
    return COMMANDS[use_of(model)].format(FILE=FILE, word=word, label_option=option)


def python(model: Model) -> str:
    """The same with the library."""
    use = PYTHON[use_of(model)].format(text=known_text(model), label=label_of(model))
    return f'import charrnn\n\nmodel = charrnn.load("{FILE}").model\n{use}'


def pytorch(model: Model) -> str:
    """The logits, computed by PyTorch from the model's file alone."""
    config, text = model.config, known_text(model)
    source = (label_of(model) or text) + TAB if model.layout == "pairs" else text
    relu = ', nonlinearity="relu"' if config.nonlinearity == "relu" else ""
    known = {
        "FILE": FILE,
        "TAB": TAB,
        "V": config.vocab_size,
        "H": config.hidden_size,
        "outputs": config.outputs,
        "ids": "[*text.encode()]" if model.vocabulary.is_bytes else "[vocabulary.index(c) for c in text]",
        "rnn": f"torch.nn.{config.cell.upper()}({config.vocab_size}, {config.hidden_size}, {config.layers}{relu}",
        # of the heads that only training needs, and of the table of n-grams
        "strict": ", strict=False" if config.lm_weight or model.ngrams is not None else "",
        "last": "(last, _)" if config.cell == "lstm" else "last",
        "text": text,
        "begin": model.vocabulary.characters[model.start] + source,
    }
    return (PYTORCH_BEGIN + PYTORCH[config.form].lstrip()).format(**known).rstrip()


def known_text(model: Model) -> str:
    """A short text of characters that a model knows."""
    vocabulary = model.vocabulary
    known = [c for c in vocabulary.characters if c.isprintable() and not c.isspace()] or vocabulary.characters
    some = "".join(known[:N_CHARACTERS])
    return next((text for text in TEXTS if set(text) <= set(vocabulary.characters)), some)


def label_of(model: Model) -> str | None:
    """The most frequent label of a model that writes texts of a label; None for any other model."""
    if model.layout != "pairs" or model.labels is None:
        return None
    return max(zip(model.labels.counts, model.labels.names, strict=True))[1]
