using Dunning.Gateways.Sandbox;
using Xunit;

namespace Dunning.Tests.Gateways;

public sealed class SandboxOptionsTests
{
    [Theory]
    [InlineData("Payments:Sandbox:LatencyMs", "0", 0)]
    [InlineData("payments:sandbox:latencyms", "150", 150)]
    [InlineData("Payments:Sandbox:LatencyMs", "60000", 60_000)]
    [InlineData("Payments:Sandbox", null, 0)]
    [InlineData("Payments:KeyHours", "12", 0)]
    public void Read_GoodSettings_AreTaken(string key, string? value, int latencyMs)
    {
        var (options, faults) = SandboxOptions.Read([new(key, value)]);
        Assert.Empty(faults);
        Assert.Equal(TimeSpan.FromMilliseconds(latencyMs), options!.Latency);
    }

    [Theory]
    [InlineData("60001")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("")]
    [InlineData("fast")]
    public void Read_BadSettings_AreAllNamedWithWhatIsAllowed(string latency)
    {
        var (options, faults) = SandboxOptions.Read([new("Payments:Sandbox:LatencyMs", latency), new("Payments:Sandbox:Lag", "1")]);
        Assert.Null(options);
        Assert.Equal(2, faults.Length);
        Assert.Contains("Payments:Sandbox:Lag is unknown", faults[0], StringComparison.Ordinal);
        Assert.Contains($"'{latency}'", faults[1], StringComparison.Ordinal);
    }
}
