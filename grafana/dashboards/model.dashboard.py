"""Model: how well the bots' models predict, and whether what they see is still what they were trained on."""

from grafanalib.core import Panel

from grafana.frame import frame
from grafana.grid import Row
from grafana.lacking import Dashboard, Stat, Step
from grafana.look import Look
from grafana.parts import COUNT, NUMBER, RATIO, SECONDS, Query, named_values
from grafana.promql import each, quantile

UID = "trading-bot-model"
NONE = "no model"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    charts = [*_over_time(look), *_predicting(look), *_data(look)]
    panels = [
        *_quality(look),
        Row("Predictions and trainings", [*_ages(look), *_counts(look), *_state(look)]),
        Row("Models" if look.alone else "Models of $bot", charts, each=None if look.alone else "bot"),
    ]
    purpose = "How well the bots' models predict, and whether they see what they were trained on."
    pace = look.settings.dashboards.widgets.model.refresh
    return frame(look, UID, "Model", purpose, pace, panels)


def _of(metric: str) -> str:
    return each(metric, "model")


def _quality(look: Look) -> list[Stat]:
    limits = look.settings.thresholds
    accurate = look.at_least(limits.warning.model_accuracy, limits.critical.model_accuracy)
    figures = {
        "Accuracy": ("model_accuracy", accurate),
        "Precision": ("model_precision", ()),
        "Recall": ("model_recall", ()),
        "F1 score": ("model_f1_score", ()),
        "AUC": ("model_auc", ()),
        "Confidence": ("prediction_confidence", look.at_least(limits.warning.prediction_confidence)),
        "Data quality": ("data_quality_score", look.at_least(limits.warning.data_quality)),
    }
    tiles = [
        look.stat(
            title,
            "Of several models the lowest.",
            [Query(f"bottomk(1, {_of(metric)})", look.who("{{model}}"))],
            **look.ratio,
            empty=NONE,
            steps=steps,
            text="value_and_name",
        )
        for title, (metric, steps) in figures.items()
    ]
    drift = look.stat(
        "Drift",
        "Of several models the highest; orange from the alert's limit.",
        [Query(f"topk(1, {_of('model_drift_score')})", look.who("{{model}}"))],
        unit=NUMBER,
        decimals=3,
        empty=NONE,
        steps=look.at_most(limits.warning.drift_score),
        text="value_and_name",
    )
    return [*tiles, drift]


def _ages(look: Look) -> list[Stat]:
    ages = {
        "Last prediction": ("last_prediction_timestamp_seconds", "never"),
        "Last training": ("model_last_retraining_timestamp_seconds", "never"),
    }
    return [
        look.stat(
            title,
            "Ago. Of several models the longest.",
            [Query(f"topk(1, time() - {_of(metric)})", look.who("{{model}}"))],
            unit=SECONDS,
            decimals=0,
            empty=empty,
            text="value_and_name",
            size="medium",
        )
        for title, (metric, empty) in ages.items()
    ]


def _counts(look: Look) -> list[Panel]:
    return [
        look.stat(
            "Trainings",
            "Of all chosen models, since the start of their bots.",
            [Query(f"sum({_of('model_retrainings_total')})", "trained")],
            empty=NONE,
            size="medium",
        ),
        look.stat(
            "Predictions per hour",
            "Of several models the fewest.",
            [Query(f"bottomk(1, {_of('predictions_per_hour')})", look.who("{{model}}"))],
            decimals=0,
            empty=NONE,
            text="value_and_name",
            size="medium",
        ),
    ]


def _state(look: Look) -> list[Panel]:
    loaded = named_values({"0": ("not loaded", look.bad), "1": ("loaded", look.good)})
    drifting = named_values({"0": ("no drift", look.good), "1": ("drift", look.warn)})
    return [
        look.states("Loaded", "", [Query(_of("model_loaded"), look.who("{{model}}"))], loaded, empty=NONE),
        look.states(
            "Drift detected",
            "",
            [Query(_of("model_drift_detected"), look.who("{{model}}"))],
            drifting,
            empty=NONE,
        ),
    ]


def _over_time(look: Look) -> list[Panel]:
    limits = look.settings.thresholds
    purple = look.colours.lines.accuracy
    name = "{{model}}"
    return [
        look.lines(
            "Accuracy over time",
            "The lines are the alerts' limits.",
            [Query(_of("model_accuracy"), name)],
            unit=RATIO,
            empty=NONE,
            colour=purple,
            limits=[
                Step(look.bad, limits.critical.model_accuracy),
                Step(look.warn, limits.warning.model_accuracy),
            ],
        ),
        look.lines(
            "Precision, recall and F1 score",
            "",
            [
                Query(_of("model_precision"), f"{name} precision"),
                Query(_of("model_recall"), f"{name} recall"),
                Query(_of("model_f1_score"), f"{name} F1"),
            ],
            unit=RATIO,
            empty=NONE,
            many=True,
        ),
        look.lines(
            "Drift over time",
            "The line is the alert's limit.",
            [Query(_of("model_drift_score"), name)],
            unit=NUMBER,
            empty=NONE,
            colour=purple,
            limits=[Step(look.warn, limits.warning.drift_score)],
        ),
    ]


def _predicting(look: Look) -> list[Panel]:
    limits, benchmarks = look.settings.thresholds.warning, look.settings.performance.benchmarks
    name = "{{model}}"
    # The group's own scrapes are rarer than those that $__rate_interval is made for.
    over = f"{4 * round(look.settings.collection.model.interval)}s"
    durations = [
        Query(quantile(share, "prediction_duration_seconds", "model", over=over), f"{name} p{share * 100:g}")
        for share in (0.5, 0.95)
    ]
    return [
        look.lines(
            "Confidence and uncertainty",
            "The line is the alert's limit of confidence.",
            [
                Query(_of("prediction_confidence"), f"{name} confidence"),
                Query(_of("prediction_uncertainty"), f"{name} uncertainty"),
            ],
            unit=RATIO,
            empty=NONE,
            many=True,
            limits=[Step(look.warn, limits.prediction_confidence)],
        ),
        look.lines(
            "Time of a prediction",
            "The line is the benchmark.",
            [Query(_of("prediction_time_seconds"), name), *durations],
            unit=SECONDS,
            empty=NONE,
            many=True,
            limits=[Step(look.warn, float(benchmarks.max_prediction_time))],
        ),
        look.lines(
            "Predictions per hour over time",
            "",
            [Query(_of("predictions_per_hour"), name)],
            unit=COUNT,
            empty=NONE,
        ),
    ]


def _data(look: Look) -> list[Panel]:
    name = "{{model}}"
    return [
        look.lines(
            "Quality of the input",
            "The line is the alert's limit of quality.",
            [
                Query(_of("data_quality_score"), f"{name} quality"),
                Query(_of("missing_data_ratio"), f"{name} missing"),
                Query(_of("outlier_ratio"), f"{name} outliers"),
            ],
            unit=RATIO,
            empty=NONE,
            many=True,
            limits=[Step(look.warn, look.settings.thresholds.warning.data_quality)],
        ),
    ]
