using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Dunning.Ops.Signals;

/// <summary>What an instrument counts, as it is written.</summary>
internal enum MetricKind
{
    /// <summary>Only rises.</summary>
    Counter = 1,

    /// <summary>As it is now.</summary>
    Gauge,

    /// <summary>How many lay below each bound.</summary>
    Histogram,
}

/// <summary>One line of a family: its labels, and what they came to.</summary>
/// <param name="Labels">Sorted by name.</param>
internal sealed record MetricSeries(IReadOnlyList<KeyValuePair<string, string>> Labels)
{
    /// <summary>The value, or a histogram's sum.</summary>
    public double Value { get; set; }

    /// <summary>Of a histogram: how many lay in each bucket, the last without a bound.</summary>
    public long[] Buckets { get; init; } = [];
}

/// <summary>All of one instrument.</summary>
internal sealed record MetricFamily(Instrument Instrument, MetricKind Kind, IReadOnlyList<double> Bounds, IReadOnlyList<MetricSeries> Series);

/// <summary>
/// Adds up what one meter's instruments tell, from the process's start. It hears that very meter, not all of its name, and gauges are asked anew at each
/// scrape, so that what is no more (the step of a case, a pass that is off) is not told for ever (docs/adr/0013).
/// </summary>
internal sealed class MetricStore : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<Instrument, Family> _families = new();
    private readonly Lock _collecting = new();

    /// <summary>Begins to hear a meter whose instruments are made.</summary>
    public MetricStore(Meter meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter, meter))
            {
                _families.TryAdd(instrument, new Family(instrument));
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => _families[instrument].Add(value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => _families[instrument].Add(value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => _families[instrument].Add(value, tags));
        _listener.Start();
    }

    /// <summary>All families by name, gauges as they are now.</summary>
    public IReadOnlyList<MetricFamily> Collect()
    {
        lock (_collecting)
        {
            foreach (var family in _families.Values.Where(f => f.IsObserved))
            {
                family.Clear();
            }
            _listener.RecordObservableInstruments();
            return [.. _families.Values.Select(f => f.Copy()).OrderBy(f => MetricNames.FamilyOf(f.Instrument), StringComparer.Ordinal)];
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private sealed class Family
    {
        // More would be a mistake in a label: it is dropped before it fills memory and Prometheus.
        private const int MaxSeries = 2000;

        private static readonly double[] s_standard = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

        private readonly Instrument _instrument;
        private readonly MetricKind _kind;
        private readonly double[] _bounds;
        private readonly Lock _lock = new();
        private readonly SortedDictionary<string, MetricSeries> _series = new(StringComparer.Ordinal);

        public Family(Instrument instrument)
        {
            _instrument = instrument;
            IsObserved = instrument.IsObservable;
            _kind = instrument is Histogram<double> ? MetricKind.Histogram
                : instrument is Counter<long> or Counter<double> or ObservableCounter<long> or ObservableCounter<double> ? MetricKind.Counter
                : MetricKind.Gauge;
            _bounds = instrument is Histogram<double> histogram ? [.. histogram.Advice?.HistogramBucketBoundaries ?? s_standard] : [];
        }

        public bool IsObserved { get; }

        public void Clear()
        {
            lock (_lock)
            {
                _series.Clear();
            }
        }

        public void Add(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var labels = new KeyValuePair<string, string>[tags.Length];
            for (var i = 0; i < tags.Length; i++)
            {
                labels[i] = new(tags[i].Key, Convert.ToString(tags[i].Value, System.Globalization.CultureInfo.InvariantCulture) ?? "");
            }
            Array.Sort(labels, (a, b) => string.CompareOrdinal(a.Key, b.Key));
            var key = string.Join('\u0001', labels.Select(l => l.Key + "\u0002" + l.Value));
            lock (_lock)
            {
                if (!_series.TryGetValue(key, out var series))
                {
                    if (_series.Count >= MaxSeries)
                    {
                        return;
                    }
                    _series[key] = series = new MetricSeries(labels) { Buckets = _kind == MetricKind.Histogram ? new long[_bounds.Length + 1] : [] };
                }
                if (_kind == MetricKind.Histogram)
                {
                    var at = Array.FindIndex(_bounds, b => value <= b);
                    series.Buckets[at < 0 ? _bounds.Length : at]++;
                }
                series.Value = _kind == MetricKind.Gauge || IsObserved ? value : series.Value + value;
            }
        }

        public MetricFamily Copy()
        {
            lock (_lock)
            {
                return new MetricFamily(_instrument, _kind, _bounds, [.. _series.Values.Select(s => s with { Buckets = [.. s.Buckets] })]);
            }
        }
    }
}
