"""`gpteval baselines`: what can be scored without any language model."""

from __future__ import annotations

from typing import Any

import click

from gpteval.cli.options import (
    DIRECTORY,
    Tasks,
    UserPath,
    conclude,
    data_dir_option,
    force_option,
    json_option,
    launch_option,
    limit_option,
    predict_option,
    results_option,
    sample_option,
    show_results,
    skip_missing_option,
    task_file_option,
)


@click.command()
@click.option(
    "--tasks",
    required=True,
    cls=Tasks,
    help="Names and groups, joined by commas: glue,race or all.",
)
@click.option(
    "--vectors",
    type=UserPath(dir_okay=False),
    multiple=True,
    help="File of word vectors to make baselines of too: GloVe's, word2vec's as text or binary, "
    "fastText's .vec, or what `gpteval vectors` wrote; may be given several times.",
)
@click.option(
    "--wordnet",
    type=DIRECTORY,
    help="Directory of WordNet's database files, to make a baseline of what it knows of the words "
    "of two texts (Debian: /usr/share/wordnet of the package wordnet-base).",
)
@task_file_option
@data_dir_option
@sample_option
@limit_option
@skip_missing_option
@force_option
@results_option
@predict_option
@launch_option
@json_option
def command(*, as_json: bool, **settings: Any) -> None:
    """Train and score baselines that need no language model.

    tfidf: TF-IDF of words and pairs of words with logistic regression (ridge regression where the
    labels are numbers), on every task. hypothesis-only (NLI) and ending-only (Story Cloze): the
    same, but it never sees the premise or the story. What a blind one gets right beyond chance,
    the data gives away. sliding-window (RACE): how close together the words of question and answer
    stand in the text (Richardson et al. 2013, the window alone). vectors and sif, with --vectors:
    the mean of the vectors of a text's words, and the same weighted by smooth inverse frequency
    without its common direction (Arora et al. 2017), under the same models. wordnet, with
    --wordnet, on tasks of two texts: which of their words are synonyms, antonyms, hypernyms,
    hyponyms or share a hypernym (the features of KIM, Chen et al. 2018).

    They are trained on the training split and stand in the leaderboard beside zero-shot scores.
    What is finished is not trained again, but with --force.

    \b
    gpteval baselines --tasks all --sample
    gpteval baselines --tasks nli,rocstories --data-dir DATA
    gpteval baselines --tasks sst2,stsb --data-dir DATA --vectors glove.6B.300d.txt
    gpteval baselines --tasks breaking-nli --data-dir DATA --wordnet /usr/share/wordnet
    """
    from gpteval.cli.progress import listener
    from gpteval.methods.baseline import score_baselines

    progress, engine = listener(), settings.pop("launch")
    results = score_baselines(progress=progress, engine=engine, **settings)
    show_results(results, as_json=as_json)
    conclude(settings, results, new=progress.whole.begun)
