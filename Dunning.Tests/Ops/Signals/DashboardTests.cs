using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Ops.Signals;

/// <summary>The dashboard and the rules speak of metrics that the running service has, and the manual of all of them.</summary>
[Collection(nameof(ServiceRig))]
public sealed partial class DashboardTests(SignalsFixture fixture) : IClassFixture<SignalsFixture>
{
    [Fact]
    public async Task Every_metric_that_dashboard_and_rules_speak_of_is_exposed()
    {
        var exposed = await ExposedAsync();
        var dashboard = JsonDocument.Parse(await File.ReadAllTextAsync(FileOf("deploy", "grafana", "dunning.json"))).RootElement;
        var panels = dashboard.GetProperty("panels").EnumerateArray().Where(p => p.GetProperty("type").GetString() != "row").ToList();
        Assert.Equal(panels.Count, panels.Select(p => p.GetProperty("id").GetInt32()).Distinct().Count());
        var expressions = panels.SelectMany(p => p.GetProperty("targets").EnumerateArray()).Select(t => t.GetProperty("expr").GetString()!).ToList();
        Assert.True(expressions.Count >= panels.Count && panels.Count > 20);

        var spoken = expressions.Append(await File.ReadAllTextAsync(FileOf("deploy", "grafana", "alerts.yml")))
            .SelectMany(e => Names().Matches(e).Select(m => m.Value)).Distinct().ToList();

        Assert.True(spoken.Count > 30);
        Assert.DoesNotContain(spoken, n => !exposed.Contains(n) && !exposed.Contains(Regex.Replace(n, "_(bucket|sum|count)$", "")));
    }

    [Fact]
    public async Task The_manual_names_every_metric_and_every_alert()
    {
        var manual = await File.ReadAllTextAsync(FileOf("docs", "monitoring.md"));

        Assert.DoesNotContain(await ExposedAsync(), n => !manual.Contains($"`{n}`", StringComparison.Ordinal));
        Assert.DoesNotContain(Dunning.Ops.Alerts.AlertRules.All, r => !manual.Contains($"`{r}`", StringComparison.Ordinal));
        var rules = Regex.Matches(await File.ReadAllTextAsync(FileOf("deploy", "grafana", "alerts.yml")), @"alert: (\w+)").Select(m => m.Groups[1].Value);
        Assert.DoesNotContain(rules, r => !manual.Contains($"`{r}`", StringComparison.Ordinal));
        // And nothing that is not there.
        Assert.Empty(Names().Matches(manual).Select(m => m.Value).Distinct().Except(await ExposedAsync()));
    }

    [Fact]
    public async Task Promtool_takes_the_rules_and_each_of_them_fires_on_its_cause_alone()
    {
        if (Promtool.Path is null)
        {
            // .ci/run installs it; elsewhere its absence is no fault of the program's.
            return;
        }
        foreach (var args in new[] { new[] { "check", "rules", "alerts.yml" }, ["test", "rules", "alerts.test.yml"] })
        {
            var (code, output) = await Promtool.RunAsync(null, [.. args[..2], FileOf("deploy", "grafana", args[2])]);
            Assert.True(code == 0, output);
        }
    }

    private static string FileOf(params string[] path) => Path.Combine([Root(), .. path]);

    private static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", ".."));

    private async Task<HashSet<string>> ExposedAsync() =>
        [.. Regex.Matches(await fixture.Http.GetStringAsync("/metrics"), "^# TYPE ([a-z_]+) ", RegexOptions.Multiline).Select(m => m.Groups[1].Value)];

    [GeneratedRegex(@"\bdunning_[a-z_]+\b")]
    private static partial Regex Names();
}
