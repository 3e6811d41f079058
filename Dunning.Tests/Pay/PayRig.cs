using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Dunning.Hosting;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Pay;

/// <summary>The real service with its pages on loopback, accounts whose renewal has failed, and the mails that tell them so.</summary>
internal sealed partial class PayRig : IAsyncDisposable
{
    private readonly string[] _set;
    private Service? _service;

    private PayRig(ServiceRig rig, string[] set, Uri url)
    {
        (Rig, _set, Url) = (rig, set, url);
        Http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = url };
    }

    public ServiceRig Rig { get; }

    public Uri Url { get; }

    public HttpClient Http { get; }

    /// <summary>Accounts a1, a2, …, each with a card of that token, past their first failed attempt; then the service.</summary>
    public static async Task<PayRig> NewAsync(string[] tokens, params (string Key, string Value)[] more)
    {
        var url = new Uri($"http://127.0.0.1:{FreePort.Take().ToString(CultureInfo.InvariantCulture)}");
        (string Key, string Value)[] keys =
        [
            ("Http:Urls", url.AbsoluteUri.TrimEnd('/')), ("Links:PublicUrl", url.AbsoluteUri), ("Jobs:RunAtStart", "false"), ("Mail:Company", "Nuage & Cie"),
            .. more,
        ];
        var rig = await ServiceRig.NewAsync(tokens.Length, keys);
        var pay = new PayRig(rig, [.. keys.SelectMany(k => new[] { "--set", $"{k.Key}={k.Value}" }), "--set", "Mail:Pickup=" + rig.MailFolder], url);
        foreach (var (at, token) in tokens.Index())
        {
            await rig.ScalarAsync<string?>($"update dunning.payment_method set token = '{token}', brand = 'visa', last4 = '0341' where account_id = 'a{at + 1}'; select null::text");
        }
        await pay.RunAsync("pass", "renew");
        await pay.RunAsync("pass", "mail");
        pay._service = await rig.StartAsync();
        return pay;
    }

    /// <summary>A command with the service's settings; it must succeed.</summary>
    public async Task<string> RunAsync(params string[] args)
    {
        var (code, output, error) = await Rig.CommandAsync([.. args, .. _set]);
        Assert.True(code == 0, error + output);
        return output.Trim();
    }

    /// <summary>The link in the last mail to an account's owner.</summary>
    public async Task<Uri> LinkOfMailAsync(string account)
    {
        var mails = new DirectoryInfo(Rig.MailFolder).GetFiles("*.eml").OrderByDescending(f => f.LastWriteTimeUtc).ToList();
        foreach (var file in mails)
        {
            // Unfolded, and decoded: an F that comes to stand first in a line is written as =46.
            var text = Escape().Replace(
                (await File.ReadAllTextAsync(file.FullName)).Replace("=\r\n", "", StringComparison.Ordinal), e => ((char)Convert.ToByte(e.Groups[1].Value, 16)).ToString());
            if (text.Contains($"owner@{account}.example", StringComparison.Ordinal) && Link().Match(text) is { Success: true } link)
            {
                return new Uri(link.Value);
            }
        }
        throw new InvalidOperationException($"no mail to {account} has a link; there are {mails.Count}");
    }

    public async Task<(HttpStatusCode Status, string Body)> GetAsync(Uri url)
    {
        using var answer = await Http.GetAsync(url);
        return (answer.StatusCode, WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync()).Replace('\u00A0', ' '));
    }

    /// <summary>Presses a button; returns where that leads.</summary>
    public async Task<Uri> PressAsync(Uri page, string name, string value)
    {
        using var answer = await Http.PostAsync(page, new FormUrlEncodedContent([new(name, value)]));
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        return new Uri(Url, answer.Headers.Location!);
    }

    /// <summary>Goes to the sandbox's page by a link's button, does something there, and returns where the customer comes back.</summary>
    public async Task<Uri> VisitAsync(Uri link, string does, string picks) => await PressAsync(await PressAsync(link, "do", does), "card", picks);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (_service is not null)
        {
            await _service.DisposeAsync();
        }
        await Rig.DisposeAsync();
    }

    [GeneratedRegex("=([0-9A-F]{2})")]
    private static partial Regex Escape();

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+/pay/[A-Za-z0-9_-]+")]
    private static partial Regex Link();
}
