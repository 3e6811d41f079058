using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Dunning.Hosting;
using Dunning.Ops;
using Dunning.Ops.Frame;
using Dunning.Ops.SignIn;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Ops.SignIn;

/// <summary>The real service with a user of each role, and a clock that can be put forward.</summary>
internal sealed class OpsRig : IAsyncDisposable
{
    /// <summary>Of every user here.</summary>
    public const string Password = "correct horse battery";

    private static readonly Mandate s_mandate = new("tests", "set up");

    private OpsRig(ServiceRig rig, Service service, ShiftedTime time) => (Rig, Service, Time) = (rig, service, time);

    public ServiceRig Rig { get; }

    public Service Service { get; }

    public ShiftedTime Time { get; }

    public Uri Url => new(Service.Addresses.First());

    public OpsUsers Users => new(Rig.Database.Source, Time);

    public static async Task<OpsRig> NewAsync(bool hasUsers, params (string Key, string Value)[] keys) => await NewAsync(hasUsers, 1, keys);

    public static async Task<OpsRig> NewAsync(bool hasUsers, int accounts, params (string Key, string Value)[] keys)
    {
        var rig = await ServiceRig.NewAsync(accounts,
            [("Jobs:RunAtStart", "false"), .. JobSettings.Passes.Select(p => ($"Jobs:{p}:Cron", "off")), ("Links:PublicUrl", "http://127.0.0.1:5080"), .. keys]);
        var time = new ShiftedTime();
        if (hasUsers)
        {
            foreach (var role in Enum.GetValues<OpsRole>())
            {
                Assert.True(await new OpsUsers(rig.Database.Source, time).AddAsync(s_mandate, OpsRoles.NameOf(role), role, Password, replaces: false, default));
            }
        }
        return new OpsRig(rig, await Service.StartAsync(rig.Database, rig.Settings, rig.Configuration, time, default), time);
    }

    public OpsBrowser Browser() => new(Url);

    /// <summary>A browser in which that user is signed in.</summary>
    public async Task<OpsBrowser> SignInAsync(string user)
    {
        var browser = Browser();
        using var answer = await browser.SignInAsync(user, Password);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        return browser;
    }

    public async ValueTask DisposeAsync()
    {
        await Service.DisposeAsync();
        await Rig.DisposeAsync();
    }
}

/// <summary>One for a class of tests.</summary>
public sealed class OpsFixture : IAsyncLifetime
{
    private OpsRig? _ops;

    internal OpsRig Ops => _ops!;

    public async Task InitializeAsync() => _ops = await OpsRig.NewAsync(hasUsers: true);

    public async Task DisposeAsync() => await Ops.DisposeAsync();
}

/// <summary>A clock that stands at the machine's time until it is put forward: how slow the machine is must not matter to what has an end.</summary>
internal sealed class ShiftedTime : TimeProvider
{
    private readonly DateTimeOffset _start = System.GetUtcNow();
    private long _ticks;

    public TimeSpan Ahead
    {
        get => new(Interlocked.Read(ref _ticks));
        set => Interlocked.Exchange(ref _ticks, value.Ticks);
    }

    public override DateTimeOffset GetUtcNow() => _start + Ahead;
}

/// <summary>What a browser does of it: keeps cookies, says where a form was sent from, follows nothing by itself.</summary>
internal sealed partial class OpsBrowser : IDisposable
{
    private readonly CookieContainer _cookies = new();
    private readonly HttpClient _http;
    private readonly Uri _url;

    public OpsBrowser(Uri url)
    {
        _url = url;
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, CookieContainer = _cookies }) { BaseAddress = url };
    }

    /// <summary>The session's cookie.</summary>
    public Cookie? Session
    {
        get => _cookies.GetCookies(_url).FirstOrDefault(c => c.Name == "dunning");
        set => _cookies.Add(_url, value!);
    }

    public Task<HttpResponseMessage> GetAsync(string path, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Get, path, null, headers);

    public async Task<string> TextAsync(string path)
    {
        using var answer = await GetAsync(path);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
    }

    /// <summary>What this session's forms hold.</summary>
    public async Task<string> TokenAsync() => Token().Match(await TextAsync("/ops/me")).Groups[1].Value is { Length: > 20 } token ? token
        : throw new InvalidOperationException("the page has no form");

    /// <summary>Sends a form as a page of ours would, with the session's token.</summary>
    public async Task<HttpResponseMessage> PostAsync(string path, params (string Name, string Value)[] fields) =>
        await PostAsync(path, _url.GetLeftPart(UriPartial.Authority), [(OpsForm.Token, await TokenAsync()), .. fields]);

    /// <summary>Sends a form from a page of that origin.</summary>
    public Task<HttpResponseMessage> PostAsync(string path, string? origin, (string Name, string Value)[] fields, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Post, path, new FormUrlEncodedContent(fields.Select(f => KeyValuePair.Create(f.Name, f.Value))),
            origin is null ? headers : [("Origin", origin), .. headers]);

    public Task<HttpResponseMessage> SignInAsync(string user, string password, string back = "", params (string Name, string Value)[] headers) =>
        PostAsync(SignInPages.Path, _url.GetLeftPart(UriPartial.Authority), [("name", user), ("password", password), ("back", back)], headers);

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        foreach (var (name, value) in headers)
        {
            if (name == "Host")
            {
                request.Headers.Host = value;
            }
            else
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }
        return await _http.SendAsync(request);
    }

    public void Dispose() => _http.Dispose();

    [GeneratedRegex("name=\"__token\" value=\"([^\"]+)\"")]
    private static partial Regex Token();
}
