using Dunning.Hosting;
using Dunning.Tests.Jobs;
using Dunning.Tests.Ops.Pages;
using Dunning.Tests.Pay;

namespace Dunning.Tests.Ops.SignIn;

/// <summary>As an operator has it: signing in by keyboard, in a browser that heeds the headers.</summary>
[Collection(nameof(ServiceRig))]
public sealed class SignInBrowserTests
{
    [BrowserFact]
    public async Task An_operator_signs_in_by_keyboard_and_no_page_needs_what_its_policy_refuses()
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: true);
        await using var browser = await Chromium.StartAsync();
        await browser.NoteRefusalsAsync();
        await browser.LookAsync(320, isDark: true);

        await browser.OpenAsync(new Uri(ops.Url, "/ops/me"));
        await browser.WaitForAsync("Password");
        Assert.Equal(320, (int?)await browser.EvaluateAsync("document.documentElement.scrollWidth"));
        Assert.Equal("rgb(16, 18, 22)", (string?)await browser.EvaluateAsync("getComputedStyle(document.body).backgroundColor"));
        await PictureAsync("sign-in");
        // Once refused, so that the message is looked at, too.
        await browser.EvaluateAsync("document.querySelector('[name=name]').value = 'nobody'; document.querySelector('[name=password]').value = 'x'");
        await browser.PressAsync("Sign in");
        await browser.WaitForAsync("do not belong together");
        await AssertAccessibleAsync();
        await browser.EvaluateAsync($"document.querySelector('[name=name]').value = 'operator'; document.querySelector('[name=password]').value = '{OpsRig.Password}'");
        await browser.PressAsync("Sign in");
        await browser.WaitForAsync("Your sign-in");
        Assert.Equal(320, (int?)await browser.EvaluateAsync("document.documentElement.scrollWidth"));
        Assert.Equal("", (string?)await browser.EvaluateAsync("document.cookie"));
        await PictureAsync("me");
        await AssertAccessibleAsync();
        await browser.PressAsync("Français");
        await browser.WaitForAsync("Votre connexion");
        await browser.PressAsync("Se déconnecter partout");
        await browser.WaitForAsync("Vous êtes déconnecté partout ailleurs.");
        Assert.Equal("", (string?)await browser.EvaluateAsync("refused.join('; ')"));
        if (BuildInfo.JobHost.Contains("Hangfire", StringComparison.OrdinalIgnoreCase))
        {
            await browser.LookAsync(1200, isDark: false);
            foreach (var (path, words) in ((string, string)[])[("/hangfire", "Overview"), ("/hangfire/servers", "Heartbeat"), ("/hangfire/jobs/enqueued", "Queues"), ("/hangfire/recurring", "Recurring")])
            {
                await browser.OpenAsync(new Uri(ops.Url, path));
                await browser.WaitForAsync(words);
                // Its own polling goes on by the token of the session.
                await Task.Delay(300);
                await PictureAsync(path[1..].Replace('/', '-'));
                Assert.Equal((path, ""), (path, (string?)await browser.EvaluateAsync("refused.join('; ')")));
                Assert.Equal("object", (string?)await browser.EvaluateAsync("typeof Hangfire"));
            }
        }
        await browser.OpenAsync(new Uri(ops.Url, "/ops/me"));
        await browser.WaitForAsync("Votre connexion");
        await browser.PressAsync("Se déconnecter");
        await browser.WaitForAsync("Password");

        async Task AssertAccessibleAsync()
        {
            await Axe.OpenAsync(browser);
            foreach (var isDark in (bool[])[true, false])
            {
                await browser.LookAsync(320, isDark);
                Assert.Empty(await Axe.LookAsync(browser));
            }
        }

        async Task PictureAsync(string name)
        {
            if (Environment.GetEnvironmentVariable("DUNNING_PICTURES") is { Length: > 0 } folder)
            {
                await File.WriteAllBytesAsync(Path.Combine(folder, name + ".png"), await browser.PictureAsync());
            }
        }
    }
}
