using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Dunning.Hosting;

namespace Dunning.Gateways;

/// <summary>The keys of one gateway's section in a flat configuration, without case; an empty value is none. Collects every fault.</summary>
internal sealed partial class GatewaySection
{
    private readonly string _section;
    private readonly SortedDictionary<string, string> _given = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads a section, such as <c>Payments:Stripe:</c>, that has these keys.</summary>
    public GatewaySection(string section, ImmutableArray<string> keys, IEnumerable<KeyValuePair<string, string?>> settings)
    {
        _section = section;
        foreach (var (key, value) in settings)
        {
            if (!string.IsNullOrEmpty(value) && key.StartsWith(section, StringComparison.OrdinalIgnoreCase))
            {
                _given[key[section.Length..]] = value;
            }
        }
        // A misspelt key is a fault: silently keeping the default would be worse. Its value might be a secret.
        Faults.AddRange(_given.Keys.Where(k => !keys.Contains(k, StringComparer.OrdinalIgnoreCase))
            .Select(k => $"{section}{k} is unknown: the keys are {string.Join(", ", keys.Select(known => section + known))}"));
    }

    /// <summary>All that is wrong so far: key, given value (but never a secret), what is allowed.</summary>
    public ImmutableArray<string>.Builder Faults { get; } = ImmutableArray.CreateBuilder<string>();

    /// <summary>The value of a key, or null.</summary>
    public string? this[string name] => _given.GetValueOrDefault(name);

    /// <summary>A secret that must be there: under a key, or in the file that its key with <c>File</c> names.</summary>
    public T? Secret<T>(string name, string gateway, string what, string example, Func<string?, T?> find)
        where T : class
    {
        var (text, file) = (this[name], this[name + "File"]);
        if ((text is null) == (file is null))
        {
            Faults.Add(text is null
                ? $"{_section}{name} is missing, but the gateway {gateway} needs {what} there, or the file that holds it in {_section}{name}File"
                : $"{_section}{name} and {_section}{name}File are both given, but only one of them can count");
            return null;
        }
        if (file is null)
        {
            if (find(text) is { } given)
            {
                return given;
            }
            Faults.Add($"{_section}{name} must be {what} (its value is not shown), such as {example}");
            return null;
        }
        try
        {
            if (find(File.ReadAllText(file)) is { } held)
            {
                return held;
            }
            Faults.Add($"{_section}{name}File is '{file}', but must be a file with {what} and nothing else, such as {example}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            Faults.Add($"{_section}{name}File is '{file}', but that file can't be read");
        }
        return null;
    }

    /// <summary>The address of an API, at its root.</summary>
    public Uri? BaseUrl(string standard)
    {
        var url = this["BaseUrl"] ?? standard;
        if (Uri.TryCreate(url, UriKind.Absolute, out var address)
            && (address.Scheme == Uri.UriSchemeHttps || (address.Scheme == Uri.UriSchemeHttp && address.IsLoopback))
            && address.PathAndQuery == "/" && address.UserInfo.Length == 0)
        {
            return address;
        }
        // An address may hold a user and a password: they are no business of a log.
        Faults.Add($"{_section}BaseUrl is '{Credentials().Replace(url, "//…@")}', but must be an https address without a path (http for this machine alone), such as {standard}");
        return null;
    }

    /// <summary>A whole number.</summary>
    public int Number(string name, int standard, int min, int max) => WholeNumber.Read(this[name], _section + name, standard, min, max, Faults);

    /// <summary>The webhook's secrets, if any.</summary>
    public Webhooks.WebhookSecrets? WebhookSecrets(Regex shape, string example)
    {
        var (secrets, fault) = Webhooks.WebhookSecrets.Read(_section, this["WebhookSecret"], this["WebhookSecretFile"], shape, example);
        if (fault is not null)
        {
            Faults.Add(fault);
        }
        return secrets;
    }

    [GeneratedRegex("//[^/]*@", RegexOptions.CultureInvariant)]
    private static partial Regex Credentials();
}
