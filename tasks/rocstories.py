"""Story Cloze (ROCStories): which of two sentences ends the story? The 2016 release.

As in OpenAI's code, the model is trained on the validation stories, of which scikit-learn's
`train_test_split` holds 374 out for selection, and tested on the test stories.
"""

from __future__ import annotations

from gpteval import Example, PaperScore, Part, Prompt, Row, Source, Split, Task

HELD_OUT, SEED = 374, 3535999445
VALIDATION = ("rocstories/cloze_test_val__spring2016*.csv", "rocstories/val_spring2016*.csv")
TEST = ("rocstories/cloze_test_test__spring2016*.csv", "rocstories/test_spring2016*.csv")


def example(row: Row) -> Example:
    """The four sentences as one text; two endings."""
    return Example.choice(row, *_story(row))


def prompt(row: Row) -> Prompt:
    """After the four sentences: each ending."""
    return Prompt.choice(row, *_story(row))


def _story(row: Row) -> tuple[str, tuple[str, str]]:
    """The four sentences as one text, and the two endings."""
    story = " ".join(row[f"InputSentence{number}"] for number in (1, 2, 3, 4))
    return story, (row["RandomFifthSentenceQuiz1"], row["RandomFifthSentenceQuiz2"])


ROCSTORIES = Task(
    name="rocstories",
    version=1,
    kind="choose",
    source=Source(
        hub="",
        reader="csv",
        splits={
            "train": Split(1497, VALIDATION, part=Part(held_out=HELD_OUT, seed=SEED)),
            "dev": Split(374, VALIDATION, part=Part(held_out=HELD_OUT, seed=SEED, take="test")),
            "test": Split(1871, TEST),
        },
        columns=(
            *(f"InputSentence{number}" for number in (1, 2, 3, 4)),
            "RandomFifthSentenceQuiz1",
            "RandomFifthSentenceQuiz2",
        ),
        label="AnswerRightEnding",
        label_names={"1": "0", "2": "1"},
        id="InputStoryid",
        ask="request it at https://cs.rochester.edu/nlp/rocstories/",
        sample="gpteval_tasks:samples/rocstories",
    ),
    example=example,
    prompt=prompt,
    metrics=("accuracy",),
    groups=("choice",),
    aliases=("Story Cloze",),
    blind="ending-only",
    evaluate=("dev", "test"),
    paper=(PaperScore("accuracy", 86.5, "test", "P t.3", best_before=77.6),),
    title="Story Cloze Test (ROCStories)",
    licence="by request, for research",
    citation="Mostafazadeh et al. 2016, A Corpus and Cloze Evaluation for Deeper Understanding of "
    "Commonsense Stories",
)
