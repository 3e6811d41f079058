using System.Globalization;
using Dunning.Mail;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Pay;

/// <summary>As a customer has it: the link of a real mail, opened in a browser, the new card picked by keyboard, the invoice paid.</summary>
[Collection(nameof(ServiceRig))]
public sealed class PayBrowserTests
{
    // Every text on the page against what is behind it.
    private const string Contrasts =
        """
        [...document.querySelectorAll('main *, footer')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(e => {
          let behind = e;
          while (behind && getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') { behind = behind.parentElement; }
          return e.tagName + ' ' + getComputedStyle(e).color + ' ' + getComputedStyle(behind || document.body).backgroundColor;
        }).join('\n')
        """;

    [BrowserFact]
    public async Task A_card_is_replaced_by_keyboard_on_the_page_that_a_mail_links_to()
    {
        await using var pay = await PayRig.NewAsync(
            ["sandbox_decline_insufficient_funds", "sandbox_decline_insufficient_funds"],
            ("Mail:Footer", "Nuage SAS, 1 rue de la Paix, 75002 Paris"), ("Mail:Colors:Accent", "#0f766e"));
        await pay.RunAsync("act", "a2", "set_contact", "--email", "owner@a2.example", "--locale", "en");
        await using var browser = await Chromium.StartAsync();

        foreach (var (account, title) in new[] { ("a1", "Mettez à jour votre moyen de paiement"), ("a2", "Update your payment method") })
        {
            await browser.OpenAsync(await pay.LinkOfMailAsync(account));
            foreach (var isDark in new[] { false, true })
            {
                await browser.LookAsync(320, isDark);
                await browser.WaitForAsync(title);
                Assert.Equal(320, (int?)await browser.EvaluateAsync("document.documentElement.scrollWidth"));
                Assert.Equal(isDark ? "rgb(16, 18, 22)" : "rgb(236, 238, 242)", (string?)await browser.EvaluateAsync("getComputedStyle(document.body).backgroundColor"));
                var texts = ((string?)await browser.EvaluateAsync(Contrasts))!.Split('\n');
                Assert.True(texts.Length > 8);
                Assert.All(texts, AssertReadable);
                if (Environment.GetEnvironmentVariable("DUNNING_PICTURES") is { Length: > 0 } folder)
                {
                    await File.WriteAllBytesAsync(Path.Combine(folder, $"pay-{account}-320-{(isDark ? "dark" : "light")}.png"), await browser.PictureAsync());
                }
            }
        }

        await browser.OpenAsync(await pay.LinkOfMailAsync("a1"));
        await browser.WaitForAsync("La somme n'était pas disponible.");
        await browser.PressAsync("Saisir un nouveau moyen de paiement");
        await browser.WaitForAsync("Sandbox: a new card");
        await browser.PressAsync("visa 4242: pays");
        await browser.WaitForAsync("Merci, tout est réglé");
        Assert.Equal("paid", await pay.Rig.ScalarAsync<string>("select state from dunning.receivable where account_id = 'a1'"));
        Assert.Equal("4242", await pay.Rig.ScalarAsync<string>("select last4 from dunning.payment_method where account_id = 'a1' and not retired"));
        Assert.Equal(0, (int?)await browser.EvaluateAsync("performance.getEntriesByType('resource').length"));
    }

    private static void AssertReadable(string text)
    {
        var parts = text.Split(" rgb", 3);
        var contrast = ColorOf(parts[1]).ContrastWith(ColorOf(parts[2]));
        Assert.True(contrast >= MailColor.TextContrast, $"{text}: {contrast:F1}");
    }

    private static MailColor ColorOf(string text)
    {
        var parts = text.Trim('a', '(', ')', ' ').Split(',').Select(p => (byte)double.Parse(p, CultureInfo.InvariantCulture)).ToList();
        return new MailColor(parts[0], parts[1], parts[2]);
    }
}

/// <summary>Needs a browser. Where CI runs, it is there, and a machine without one fails; elsewhere the test is skipped and says so.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute()
    {
        if (Chromium.Program is null && Environment.GetEnvironmentVariable("CI") is null)
        {
            Skip = "no Chromium on this machine";
        }
    }
}
