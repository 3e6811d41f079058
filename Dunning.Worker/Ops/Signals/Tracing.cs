using System.Diagnostics;

namespace Dunning.Ops.Signals;

/// <summary>Spans: one a pass, and below it one a claim, a call of the gateway, a message. An account's id is the only thing of a customer's in them.</summary>
internal static class Tracing
{
    /// <summary>Costs nothing while nobody listens.</summary>
    public static ActivitySource Source { get; } = new(BookMeter.Name);

    /// <summary>Marks a span as failed.</summary>
    public static void Fail(this Activity? span, string why)
    {
        span?.SetStatus(ActivityStatusCode.Error, why);
    }
}
