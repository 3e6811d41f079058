using System.Collections.Immutable;
using Dunning.Hosting;

namespace Dunning.Ops.Signals;

/// <summary>How OTLP is spoken.</summary>
public enum OtlpWay
{
    /// <summary>gRPC over HTTP/2, mostly at port 4317.</summary>
    Grpc,

    /// <summary>Protobuf over HTTP, mostly at port 4318; the paths <c>v1/traces</c> and <c>v1/metrics</c> are added.</summary>
    Http,
}

/// <summary>Settings of metrics and traces. Made by <see cref="Read"/>; every fault is found at once.</summary>
public sealed record SignalSettings
{
    /// <summary>
    /// <c>Telemetry:MetricsToken</c>: who comes to <c>/metrics</c> from another machine, or through a proxy, must bring it as a bearer token. Null: only
    /// this machine may come.
    /// </summary>
    public string? MetricsToken { get; init; }

    /// <summary><c>Telemetry:Otlp:Endpoint</c>: where metrics and traces are sent. Null: nowhere.</summary>
    public Uri? Otlp { get; init; }

    /// <summary><c>Telemetry:Otlp:Protocol</c>: grpc (default) or http.</summary>
    public OtlpWay OtlpWay { get; init; }

    /// <summary><c>Telemetry:Otlp:Headers</c>: such as <c>authorization=Bearer …</c>, parted by commas.</summary>
    public string? OtlpHeaders { get; init; }

    /// <summary><c>Telemetry:Otlp:TracesPercent</c>: which share of the passes is traced. Default 100; 0: metrics alone.</summary>
    public int TracesPercent { get; init; } = 100;

    /// <summary><c>Telemetry:Otlp:IntervalSeconds</c>: how often metrics are sent. Default 60.</summary>
    public int IntervalSeconds { get; init; } = 60;

    /// <summary>Reads the keys below <c>Telemetry:</c>, or every fault.</summary>
    public static (SignalSettings? Settings, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string?> flat)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        var token = Given("Telemetry:MetricsToken");
        if (token is not null && (token.Length < 16 || token.Any(c => c is <= ' ' or > '~')))
        {
            faults.Add("Telemetry:MetricsToken must be at least 16 printable characters without blanks (its value is not shown), such as 'openssl rand -hex 32' writes");
        }
        var endpoint = Given("Telemetry:Otlp:Endpoint");
        if (!IsAddress(endpoint, out var otlp))
        {
            faults.Add("Telemetry:Otlp:Endpoint must be a whole http or https address without a user (its value is not shown), such as http://127.0.0.1:4317");
        }
        var way = Given("Telemetry:Otlp:Protocol") ?? "grpc";
        if (way is not ("grpc" or "http"))
        {
            faults.Add($"Telemetry:Otlp:Protocol is '{way}', but must be grpc or http");
        }
        var headers = Given("Telemetry:Otlp:Headers");
        if (headers is not null && headers.Split(',').Any(h => h.IndexOf('=', StringComparison.Ordinal) < 1))
        {
            faults.Add("Telemetry:Otlp:Headers must be NAME=VALUE, parted by commas (its value is not shown), such as authorization=Bearer%20KEY");
        }
        var percent = WholeNumber.Read(Given("Telemetry:Otlp:TracesPercent"), "Telemetry:Otlp:TracesPercent", 100, 0, 100, faults);
        var interval = WholeNumber.Read(Given("Telemetry:Otlp:IntervalSeconds"), "Telemetry:Otlp:IntervalSeconds", 60, 1, 3600, faults);
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (new SignalSettings
        {
            MetricsToken = token,
            Otlp = otlp,
            OtlpWay = way == "http" ? OtlpWay.Http : OtlpWay.Grpc,
            OtlpHeaders = headers,
            TracesPercent = percent,
            IntervalSeconds = interval,
        }, []);

        string? Given(string key) => flat.GetValueOrDefault(key) is { Length: > 0 } value ? value : null;
    }

    /// <summary>Without its secrets: a record prints its members.</summary>
    public override string ToString() => $"metrics token {(MetricsToken is null ? "none" : "given")}, otlp {Otlp?.GetLeftPart(UriPartial.Authority) ?? "none"}";

    private static bool IsAddress(string? text, out Uri? address)
    {
        address = null;
        return text is null || (Uri.TryCreate(text, UriKind.Absolute, out address) && address is { Scheme: "http" or "https", UserInfo: "" });
    }
}
