using System.Globalization;
using Xunit.Abstractions;

namespace Dunning.Tests.Faults;

/// <summary>
/// Seeds of tests that leave something to chance: another on every run, told in the test's output, and to be given again with the environment
/// variable <c>DUNNING_TEST_SEED</c>.
/// </summary>
internal static class Seeds
{
    public static int Next(ITestOutputHelper output, string what)
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("DUNNING_TEST_SEED"), NumberStyles.None, CultureInfo.InvariantCulture, out var given)
            ? given : Random.Shared.Next(1_000_000);
        output.WriteLine($"{what}: DUNNING_TEST_SEED={seed}");
        return seed;
    }

    /// <summary>A size that the environment may set.</summary>
    public static int Size(string variable, int standard) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var given) && given > 0
            ? given : standard;
}
