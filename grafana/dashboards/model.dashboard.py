"""Model: how well the bots' models predict, and how far their input has drifted from the training data."""

from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Panel, Stat, Step
from grafana.grid import Row
from grafana.panel_fields import COUNT, NUMBER, RATIO, SECONDS, Query, named_values
from grafana.panels import PanelFactory
from grafana.promql import each, quantile

UID = "trading-bot-model"
NONE = "no model"


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    charts = [*_over_time(factory), *_predicting(factory), *_data(factory)]
    panels = [
        *_quality(factory),
        Row("Predictions and trainings", [*_ages(factory), *_counts(factory), *_state(factory)]),
        Row("Models" if factory.alone else "Models of $bot", charts, each=None if factory.alone else "bot"),
    ]
    purpose = "How well the bots' models predict, and how far their input has drifted."
    pace = factory.settings.dashboards.widgets.model.refresh
    return frame(factory, UID, "Model", purpose, pace, panels)


def _of(metric: str) -> str:
    return each(metric, "model")


def _quality(factory: PanelFactory) -> list[Stat]:
    limits = factory.settings.thresholds
    accurate = factory.at_least(limits.warning.model_accuracy, limits.critical.model_accuracy)
    figures = {
        "Accuracy": ("model_accuracy", accurate),
        "Precision": ("model_precision", ()),
        "Recall": ("model_recall", ()),
        "F1 score": ("model_f1_score", ()),
        "AUC": ("model_auc", ()),
        "Confidence": ("prediction_confidence", factory.at_least(limits.warning.prediction_confidence)),
        "Data quality": ("data_quality_score", factory.at_least(limits.warning.data_quality)),
    }
    tiles = [
        factory.stat(
            title,
            "The lowest of several models.",
            [factory.worst(_of(metric), "lowest", "{{model}}")],
            **factory.ratio,
            empty=NONE,
            steps=steps,
            text="value_and_name",
        )
        for title, (metric, steps) in figures.items()
    ]
    drift = factory.stat(
        "Drift",
        "The highest of several models; orange from the alert's limit.",
        [factory.worst(_of("model_drift_score"), "highest", "{{model}}")],
        unit=NUMBER,
        decimals=3,
        empty=NONE,
        steps=factory.at_most(limits.warning.drift_score),
        text="value_and_name",
    )
    return [*tiles, drift]


def _ages(factory: PanelFactory) -> list[Stat]:
    ages = {
        "Last prediction": ("last_prediction_timestamp_seconds", "never"),
        "Last training": ("model_last_retraining_timestamp_seconds", "never"),
    }
    return [
        factory.stat(
            title,
            "Time since then; the longest of several models.",
            [factory.worst(f"time() - {_of(metric)}", "highest", "{{model}}")],
            unit=SECONDS,
            decimals=0,
            empty=empty,
            text="value_and_name",
            size="medium",
        )
        for title, (metric, empty) in ages.items()
    ]


def _counts(factory: PanelFactory) -> list[Panel]:
    return [
        factory.stat(
            "Trainings",
            "Of all chosen models, since the start of their bots.",
            [Query(f"sum({_of('model_retrainings_total')})", "trained")],
            empty=NONE,
            size="medium",
        ),
        factory.stat(
            "Predictions per hour",
            "The fewest of several models.",
            [factory.worst(_of("predictions_per_hour"), "lowest", "{{model}}")],
            decimals=0,
            empty=NONE,
            text="value_and_name",
            size="medium",
        ),
    ]


def _state(factory: PanelFactory) -> list[Panel]:
    loaded = named_values({"0": ("not loaded", factory.bad), "1": ("loaded", factory.good)})
    drifting = named_values({"0": ("no drift", factory.good), "1": ("drift", factory.warn)})
    return [
        factory.states(
            "Loaded", "", [Query(_of("model_loaded"), factory.who("{{model}}"))], loaded, empty=NONE
        ),
        factory.states(
            "Drift detected",
            "",
            [Query(_of("model_drift_detected"), factory.who("{{model}}"))],
            drifting,
            empty=NONE,
        ),
    ]


def _over_time(factory: PanelFactory) -> list[Panel]:
    limits = factory.settings.thresholds
    purple = factory.colours.lines.accuracy
    name = "{{model}}"
    return [
        factory.lines(
            "Accuracy over time",
            "The lines are the alerts' limits.",
            [Query(_of("model_accuracy"), name)],
            unit=RATIO,
            empty=NONE,
            colour=purple,
            limits=[
                Step(factory.bad, limits.critical.model_accuracy),
                Step(factory.warn, limits.warning.model_accuracy),
            ],
        ),
        factory.lines(
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
        factory.lines(
            "Drift over time",
            "The line is the alert's limit.",
            [Query(_of("model_drift_score"), name)],
            unit=NUMBER,
            empty=NONE,
            colour=purple,
            limits=[Step(factory.warn, limits.warning.drift_score)],
        ),
    ]


def _predicting(factory: PanelFactory) -> list[Panel]:
    limits, benchmarks = factory.settings.thresholds.warning, factory.settings.performance.benchmarks
    name = "{{model}}"
    # The group's scrape interval is longer than $__rate_interval assumes.
    over = f"{4 * round(factory.settings.collection.model.interval)}s"
    durations = [
        Query(quantile(share, "prediction_duration_seconds", "model", over=over), f"{name} p{share * 100:g}")
        for share in (0.5, 0.95)
    ]
    return [
        factory.lines(
            "Confidence and uncertainty",
            "The line is the alert's limit of confidence.",
            [
                Query(_of("prediction_confidence"), f"{name} confidence"),
                Query(_of("prediction_uncertainty"), f"{name} uncertainty"),
            ],
            unit=RATIO,
            empty=NONE,
            many=True,
            limits=[Step(factory.warn, limits.prediction_confidence)],
        ),
        factory.lines(
            "Time of a prediction",
            "The line is the benchmark.",
            [Query(_of("prediction_time_seconds"), name), *durations],
            unit=SECONDS,
            empty=NONE,
            many=True,
            limits=[Step(factory.warn, float(benchmarks.max_prediction_time))],
        ),
        factory.lines(
            "Predictions per hour over time",
            "",
            [Query(_of("predictions_per_hour"), name)],
            unit=COUNT,
            empty=NONE,
        ),
    ]


def _data(factory: PanelFactory) -> list[Panel]:
    name = "{{model}}"
    return [
        factory.lines(
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
            limits=[Step(factory.warn, factory.settings.thresholds.warning.data_quality)],
        ),
    ]
