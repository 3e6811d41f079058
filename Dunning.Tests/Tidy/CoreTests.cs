using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Dunning.Model;

namespace Dunning.Tests.Tidy;

/// <summary>Dunning.Core decides and does nothing else (ARCHITECTURE): it can reach no database, clock, network or scheduler.</summary>
public sealed partial class CoreTests
{
    [Fact]
    public void It_references_NodaTime_and_the_framework_alone()
    {
        var others = typeof(AccountFile).Assembly.GetReferencedAssemblies().Select(a => a.Name!)
            .Where(n => !n.StartsWith("System.", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
        Assert.Equal(["NodaTime"], others);
    }

    [Theory]
    [InlineData("System.Net")]
    [InlineData("System.Data")]
    [InlineData("System.Diagnostics.Process")]
    public void It_does_no_io(string assembly) => Assert.DoesNotContain(
        typeof(AccountFile).Assembly.GetReferencedAssemblies(), a => a.Name!.StartsWith(assembly, StringComparison.Ordinal));

    [Fact]
    public void Its_rules_speak_of_dates_and_instants_and_never_of_DateTime()
    {
        var files = Directory.GetFiles(Path.Combine(Root(), "Dunning.Core", "Rules"), "*.cs");
        Assert.NotEmpty(files);
        Assert.Empty(files.Where(f => FrameworkTime().IsMatch(File.ReadAllText(f))).Select(Path.GetFileName));
    }

    // Dates become instants in two files; a third would be a second opinion about gaps and overlaps.
    [Fact]
    public void Only_the_clock_knows_time_zones()
    {
        var files = Directory.GetFiles(Path.Combine(Root(), "Dunning.Core"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)).ToList();
        Assert.Equal(
            ["LocalClock.cs", "ZoneData.cs"],
            files.Where(f => ZoneMath().IsMatch(File.ReadAllText(f))).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal));
    }

    private static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));

    [GeneratedRegex(@"\b(DateTime|DateTimeOffset|DateOnly|TimeOnly|TimeProvider|TimeZoneInfo|Stopwatch)\b")]
    private static partial Regex FrameworkTime();

    [GeneratedRegex(@"\b(ZonedDateTime|InZone|AtStartOfDay|AtLeniently|AtStrictly|ResolveLocal|DateTimeZoneProviders|GetUtcOffset)\b")]
    private static partial Regex ZoneMath();
}
