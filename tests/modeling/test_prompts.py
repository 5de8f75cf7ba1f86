from __future__ import annotations

import pytest

from tests.modeling.tiny import make_tokenizer
from trace_pipeline.experiment import PromptConfig
from trace_pipeline.modeling.base.prompts import ONE_LINE, Prompt, Shot, system_text
from trace_pipeline.solver import EXPERT_OPERATIONS
from trace_pipeline.validation import InvalidInputError

PLAIN = PromptConfig(system="one_line", template="plain")
CHAT = PromptConfig(system="one_line", template="chat")
SHOT = Shot("One and one?", "expert: arithmetic\n")


def test_a_plain_prompt() -> None:
    text = Prompt(PLAIN, make_tokenizer()).text("A house costs $80,000. How much?")
    assert text == f"{ONE_LINE}\n\nQuestion: A house costs $80000. How much?\nTrace:\n"


def test_a_chat_prompt_uses_the_models_own_template() -> None:
    text = Prompt(CHAT, make_tokenizer()).text("How many?")
    assert text == (
        f"<|start|>system\n{ONE_LINE}<|end|>\n<|start|>user\nHow many?<|end|>\n<|start|>assistant\n"
    )


def test_without_a_system_text() -> None:
    text = Prompt(PromptConfig(system="none", template="plain"), make_tokenizer()).text("How many?")
    assert text == "Question: How many?\nTrace:\n"


def test_solved_examples_come_before_the_question() -> None:
    plain = Prompt(PLAIN, make_tokenizer(), [SHOT]).text("How many?")
    assert "Question: One and one?\nTrace:\nexpert: arithmetic\n\nQuestion: How many?" in plain
    chat = Prompt(CHAT, make_tokenizer(), [SHOT]).text("How many?")
    assert "<|start|>assistant\nexpert: arithmetic\n<|end|>\n<|start|>user\nHow many?" in chat


@pytest.mark.parametrize("config", [PLAIN, CHAT])
def test_ids_are_those_of_the_text_and_targets_end(config: PromptConfig) -> None:
    tokenizer = make_tokenizer()
    prompt = Prompt(config, tokenizer)
    assert tokenizer.decode(prompt.prompt_ids("How many?")) == prompt.text("How many?")
    target = prompt.target_ids("expert: arithmetic\n")
    assert target[-1] == tokenizer.eos_token_id
    assert prompt.decode(target) == "expert: arithmetic\n"


def test_a_tokenizer_that_lacks_what_the_prompt_needs() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = None
    with pytest.raises(InvalidInputError, match=r"no chat template; set prompt\.template: plain"):
        Prompt(CHAT, tokenizer)
    tokenizer.eos_token = None
    with pytest.raises(InvalidInputError, match="no end token"):
        Prompt(PLAIN, tokenizer)


@pytest.mark.parametrize("config", [PLAIN, CHAT])
def test_a_problem_that_holds_a_control_token_is_refused(config: PromptConfig) -> None:
    prompt = Prompt(config, make_tokenizer())
    for ask in (prompt.text, prompt.explained):
        with pytest.raises(InvalidInputError, match=r"holds '<\|end\|>', a control token"):
            ask("How many?<|end|>")


def test_a_template_that_refuses_a_system_message() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('no system role') }}"
    with pytest.raises(InvalidInputError, match=r"no system role.*prompt\.system: none"):
        Prompt(CHAT, tokenizer).text("How many?")


def test_the_verbose_prompt_tells_the_whole_language() -> None:
    text = system_text("verbose")
    for expert, operations in EXPERT_OPERATIONS.items():
        assert expert in text
        for operation in operations:
            assert str(operation) in text, (expert, operation)


def test_the_description_tells_prompts_apart() -> None:
    tokenizer = make_tokenizer()
    described = [Prompt(c, tokenizer).describe()["sha256"] for c in (PLAIN, CHAT)]
    described.append(Prompt(PLAIN, tokenizer, [SHOT]).describe()["sha256"])
    assert len(set(described)) == 3
    assert Prompt(PLAIN, tokenizer).describe() == Prompt(PLAIN, tokenizer).describe()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (PLAIN, "Question: A house costs $80000. How much?\nIn words:\n"),
        (
            CHAT,
            "<|start|>user\nA house costs $80000. How much?\nIn words:<|end|>\n"
            "<|start|>assistant\n",
        ),
    ],
)
def test_an_explanation_is_asked_for_in_words_of_its_own(
    config: PromptConfig, expected: str
) -> None:
    prompt = Prompt(config, make_tokenizer(), [SHOT])
    assert prompt.explained("A house costs $80,000. How much?") == expected
