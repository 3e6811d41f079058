using System.Text.Json;
using Deque.AxeCore.Commons;
using Dunning.Tests.Pay;

namespace Dunning.Tests.Ops.Pages;

/// <summary>axe-core in a page of a real browser: what it finds against WCAG 2.2, levels A and AA.</summary>
internal static class Axe
{
    private static readonly Lazy<string> s_script = new(() =>
    {
        var assembly = typeof(AxeRunOptions).Assembly;
        using var reader = new StreamReader(assembly.GetManifestResourceStream(assembly.GetManifestResourceNames().Single(n => n.EndsWith("axe.min.js", StringComparison.Ordinal)))!);
        return reader.ReadToEnd();
    });

    /// <summary>Makes the page that is open ready to be looked at, all of it: what is folded up is part of it.</summary>
    public static async Task OpenAsync(Chromium browser)
    {
        await browser.EvaluateAsync(s_script.Value + "; document.querySelectorAll('details').forEach(d => d.open = true)");
    }

    /// <summary>What is wrong with it as it is seen now, one line each.</summary>
    public static async Task<IReadOnlyList<string>> LookAsync(Chromium browser)
    {
        await browser.EvaluateAsync(
            """
            window.found = null;
            axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'], iframes: false })
               .then(r => window.found = JSON.stringify(r.passes.length < 10 ? ['axe looked at next to nothing'] : r.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + n.html.slice(0, 160) + ' ' + n.failureSummary.slice(0, 240)))),
                     e => window.found = JSON.stringify(['axe failed: ' + e]))
            """);
        for (var tries = 0; tries < 2400; tries++)
        {
            if ((string?)await browser.EvaluateAsync("window.found") is { } found)
            {
                return JsonSerializer.Deserialize<string[]>(found)!;
            }
            await Task.Delay(25);
        }
        return ["axe came to no end"];
    }
}
