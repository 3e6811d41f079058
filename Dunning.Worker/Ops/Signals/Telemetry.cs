using Dunning.Hosting;
using Dunning.Postgres;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Dunning.Ops.Signals;

/// <summary>Sends metrics and traces by OTLP, where that is configured.</summary>
internal sealed class Telemetry(SignalSettings settings, FiguresReader figures, TimeProvider time) : BackgroundService
{
    private MeterProvider? _metrics;
    private TracerProvider? _traces;

    /// <inheritdoc/>
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        if (settings.Otlp is not null)
        {
            var resource = ResourceBuilder.CreateEmpty().AddService("dunning", serviceVersion: BuildInfo.Version, serviceInstanceId: PostgresPassLog.ThisServer);
            _metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(BookMeter.Name).AddMeter("System.Runtime").AddMeter("Npgsql")
                .AddOtlpExporter((exporter, reader) =>
                {
                    Set(exporter, "v1/metrics");
                    reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = settings.IntervalSeconds * 1000;
                    reader.TemporalityPreference = MetricReaderTemporalityPreference.Cumulative;
                }).Build();
            if (settings.TracesPercent > 0)
            {
                _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(BookMeter.Name)
                    .SetSampler(new ParentBasedSampler(new TraceIdRatioBasedSampler(settings.TracesPercent / 100d)))
                    .AddOtlpExporter(exporter => Set(exporter, "v1/traces")).Build();
            }
        }
        return base.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        // What is not out after a moment is lost: a collector that is away must not hold up the stop.
        _metrics?.Shutdown(300);
        _traces?.Shutdown(300);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _metrics?.Dispose();
        _traces?.Dispose();
        base.Dispose();
    }

    // Gauges are asked in the exporter's thread, which can't wait for a database.
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (settings.Otlp is null)
        {
            return;
        }
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(Math.Clamp(settings.IntervalSeconds / 2, 1, 30)), time);
        try
        {
            do
            {
                await figures.ReadAsync(stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
    }

    private void Set(OtlpExporterOptions exporter, string path)
    {
        exporter.Endpoint = settings.OtlpWay == OtlpWay.Http ? new Uri(settings.Otlp!.AbsoluteUri.TrimEnd('/') + "/" + path) : settings.Otlp!;
        exporter.Protocol = settings.OtlpWay == OtlpWay.Http ? OtlpExportProtocol.HttpProtobuf : OtlpExportProtocol.Grpc;
        exporter.Headers = settings.OtlpHeaders;
        exporter.TimeoutMilliseconds = 10_000;
        exporter.ExportProcessorType = ExportProcessorType.Batch;
    }
}
