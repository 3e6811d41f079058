using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Dunning.Tests.Pay;

/// <summary>
/// One window of a headless Chromium, driven by its DevTools protocol: as little of it as it takes to look at a page and press its buttons by keyboard.
/// </summary>
internal sealed partial class Chromium : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly string _profile;
    private readonly ClientWebSocket _socket = new();
    private string? _session;
    private int _calls;

    private Chromium(Process process, string profile) => (_process, _profile) = (process, profile);

    /// <summary>The program, where this machine has it: CI always does.</summary>
    public static string? Program { get; } = new[] { "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }.FirstOrDefault(File.Exists);

    public static async Task<Chromium> StartAsync()
    {
        var profile = Directory.CreateTempSubdirectory("dunning-chromium-").FullName;
        var start = new ProcessStartInfo(Program!) { RedirectStandardError = true };
        foreach (var argument in new[]
            {
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0", "--user-data-dir=" + profile, "about:blank",
            })
        {
            start.ArgumentList.Add(argument);
        }
        var browser = new Chromium(Process.Start(start)!, profile);
        using var patience = new CancellationTokenSource(s_patience);
        string? address = null;
        while (address is null)
        {
            var line = await browser._process.StandardError.ReadLineAsync(patience.Token) ?? throw new InvalidOperationException("Chromium ended");
            address = Listening().Match(line) is { Success: true } match ? match.Groups[1].Value : null;
        }
        // What it writes from then on would fill the pipe.
        _ = browser._process.StandardError.ReadToEndAsync();
        await browser._socket.ConnectAsync(new Uri(address), patience.Token);
        var target = await browser.CallAsync("Target.createTarget", new JsonObject { ["url"] = "about:blank" });
        browser._session = (await browser.CallAsync("Target.attachToTarget", new JsonObject { ["targetId"] = (string)target["targetId"]!, ["flatten"] = true }))["sessionId"]!.GetValue<string>();
        // Keys go where the focus is, and a window that nobody looks at has none.
        await browser.CallAsync("Emulation.setFocusEmulationEnabled", new JsonObject { ["enabled"] = true });
        return browser;
    }

    /// <summary>A window of that size, light or dark.</summary>
    public async Task LookAsync(int width, bool isDark)
    {
        await CallAsync("Emulation.setDeviceMetricsOverride", new JsonObject { ["width"] = width, ["height"] = 800, ["deviceScaleFactor"] = 1, ["mobile"] = false });
        await CallAsync("Emulation.setEmulatedMedia", new JsonObject
        {
            ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = isDark ? "dark" : "light" }),
        });
    }

    /// <summary>From now on each page keeps in <c>window.refused</c> what its own policy has refused.</summary>
    public async Task NoteRefusalsAsync()
    {
        await CallAsync("Page.enable", []);
        await CallAsync("Page.addScriptToEvaluateOnNewDocument", new JsonObject
        {
            ["source"] = "window.refused = []; document.addEventListener('securitypolicyviolation', e => refused.push(e.effectiveDirective + ' ' + e.blockedURI + ' ' + e.sample));",
        });
    }

    public Task OpenAsync(Uri url) => CallAsync("Page.navigate", new JsonObject { ["url"] = url.AbsoluteUri });

    /// <summary>What an expression comes to in the page.</summary>
    public async Task<JsonNode?> EvaluateAsync(string expression)
    {
        var result = await CallAsync("Runtime.evaluate", new JsonObject { ["expression"] = expression, ["returnByValue"] = true });
        return result["exceptionDetails"] is { } fault ? throw new InvalidOperationException(fault.ToJsonString()) : result["result"]!["value"];
    }

    /// <summary>Waits until the page is there and says so.</summary>
    public async Task WaitForAsync(string words)
    {
        var started = Stopwatch.GetTimestamp();
        var said = "";
        while (Stopwatch.GetElapsedTime(started) < s_patience)
        {
            said = (string?)await EvaluateAsync("document.readyState === 'complete' && document.body ? document.body.innerText : ''") ?? "";
            if (said.Replace('\u00A0', ' ').Contains(words, StringComparison.Ordinal))
            {
                return;
            }
            await Task.Delay(100);
        }
        throw new InvalidOperationException($"waited in vain for '{words}'; the page says: {said}");
    }

    /// <summary>Goes by the tabulator key to the button that says so, and presses it by the enter key.</summary>
    public async Task PressAsync(string words)
    {
        await EvaluateAsync("document.activeElement && document.activeElement.blur()");
        for (var at = 0; at < 20; at++)
        {
            await KeyAsync("Tab", 9, null);
            if ((((string?)await EvaluateAsync("document.activeElement.innerText")) ?? "").Replace('\u00A0', ' ') == words)
            {
                Assert.NotEqual("none", (string?)await EvaluateAsync("getComputedStyle(document.activeElement).outlineStyle"));
                await KeyAsync("Enter", 13, "\r");
                return;
            }
        }
        throw new InvalidOperationException($"no key leads to '{words}'");
    }

    /// <summary>What is seen, as a PNG.</summary>
    public async Task<byte[]> PictureAsync() =>
        Convert.FromBase64String((string)(await CallAsync("Page.captureScreenshot", new JsonObject { ["format"] = "png", ["captureBeyondViewport"] = true }))["data"]!);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _process.Kill(entireProcessTree: true);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        // A helper of its may outlive it for a moment and hold the pipe.
        await _process.WaitForExitAsync(patience.Token).ContinueWith(_ => { }, TaskScheduler.Default);
        _process.Dispose();
        for (var tries = 0; tries < 20; tries++)
        {
            try
            {
                Directory.Delete(_profile, recursive: true);
                return;
            }
            catch (IOException)
            {
                // One of its processes is still writing.
                await Task.Delay(100);
            }
        }
    }

    private async Task KeyAsync(string key, int code, string? text)
    {
        foreach (var type in new[] { text is null ? "rawKeyDown" : "keyDown", "keyUp" })
        {
            var press = new JsonObject { ["type"] = type, ["key"] = key, ["code"] = key, ["windowsVirtualKeyCode"] = code };
            if (text is not null && type == "keyDown")
            {
                press["text"] = text;
            }
            await CallAsync("Input.dispatchKeyEvent", press);
        }
    }

    private async Task<JsonObject> CallAsync(string method, JsonObject parameters)
    {
        using var patience = new CancellationTokenSource(s_patience);
        var id = ++_calls;
        var call = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters };
        if (_session is not null)
        {
            call["sessionId"] = _session;
        }
        await _socket.SendAsync(Encoding.UTF8.GetBytes(call.ToJsonString()), WebSocketMessageType.Text, endOfMessage: true, patience.Token);
        while (true)
        {
            var message = await ReceiveAsync(patience.Token);
            if ((int?)message["id"] == id)
            {
                return message["error"] is { } error ? throw new InvalidOperationException($"{method}: {error.ToJsonString()}") : message["result"]!.AsObject();
            }
        }
    }

    private async Task<JsonObject> ReceiveAsync(CancellationToken ct)
    {
        using var message = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (true)
        {
            var part = await _socket.ReceiveAsync(buffer, ct);
            message.Write(buffer, 0, part.Count);
            if (part.EndOfMessage)
            {
                return JsonSerializer.Deserialize<JsonObject>(message.ToArray())!;
            }
        }
    }

    [GeneratedRegex("DevTools listening on (ws://\\S+)")]
    private static partial Regex Listening();
}
