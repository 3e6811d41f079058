using Xunit.Abstractions;

[assembly: TestCollectionOrderer("Dunning.Tests.LongestFirst", "Dunning.Tests")]

namespace Dunning.Tests;

/// <summary>Those that take minutes begin first, so that a core does not wait for the last of them in the end.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] s_longest =
        ["Edge5OnEngines", "KillTests", "OutageOnEngines", "OutageInAnyOrder", "FullInAnyOrder", "FullOnEngines", "Edge2OnEngines", "Edge4OnEngines", "Edge1OnEngines", "CrashPoint"];

    /// <inheritdoc/>
    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) => testCollections
        .OrderBy(c => Array.FindIndex(s_longest, n => c.DisplayName.Contains(n, StringComparison.Ordinal)) is var i && i < 0 ? s_longest.Length : i)
        .ThenBy(c => c.DisplayName, StringComparer.Ordinal);
}
