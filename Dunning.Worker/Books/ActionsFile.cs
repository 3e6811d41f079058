using System.Collections.Immutable;
using Dunning.Model;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Books;

/// <summary>
/// actions.jsonl. What an action looks like is checked here; whether it may be done is the rule's to say (RULES 9), so an amount of zero
/// or an unknown plan is no fault.
/// </summary>
internal static class ActionsFile
{
    private const int MaxDays = 3650;

    // Fields beside at, account and do.
    private static readonly ImmutableSortedDictionary<string, string[]> FieldsOf = new Dictionary<string, string[]>
    {
        [ActionNames.AbandonCharge] = ["subscription"],
        [ActionNames.AddContact] = ["email", "role", "name", "locale", "frequency"],
        [ActionNames.Authenticate] = ["method"],
        [ActionNames.Cancel] = ["subscription"],
        [ActionNames.ChangePlan] = ["subscription", "plan"],
        [ActionNames.Credit] = ["amount"],
        [ActionNames.GrantAccess] = ["days"],
        [ActionNames.RemoveContact] = ["email"],
        [ActionNames.ResolveCharge] = ["subscription", "outcome", "period_start"],
        [ActionNames.Resume] = ["subscription"],
        [ActionNames.RetryCharge] = ["subscription", "period_start"],
        [ActionNames.SetAutoRenew] = ["subscription", "value"],
        [ActionNames.SetContact] = ["email", "locale", "frequency"],
        [ActionNames.UpdatePaymentMethod] = ["token", "exp", "method", "brand", "last4"],
    }.ToImmutableSortedDictionary(StringComparer.Ordinal);

    private static readonly string[] Outcomes = ["succeeded", "failed", "never_made"];
    private static readonly string[] Common = ["at", "account", "do"];
    private static readonly string[] AllFields = [.. Common, .. FieldsOf.Values.SelectMany(f => f).Distinct()];

    /// <summary>Reads the actions; none when the file is not there.</summary>
    /// <param name="path">The file.</param>
    /// <param name="request">What tokens look like.</param>
    /// <param name="accounts">The accounts, or null when they can't be read: then nothing is said about unknown ones.</param>
    /// <param name="faults">Takes the faults.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<ImmutableArray<AccountAction>> ReadAsync(
        string path, BookRequest request, AccountsCheck? accounts, BookFaults faults, CancellationToken ct)
    {
        var scope = new FaultScope(faults, Path.GetFileName(path));
        return !File.Exists(path) || BookFiles.Open(path, scope) is not { } stream ? []
            : await ReadAsync(stream, scope, request.IsToken, request.TokenHelp, accounts, ct);
    }

    /// <summary>Reads the actions of a stream, and closes it.</summary>
    public static async Task<ImmutableArray<AccountAction>> ReadAsync(
        Stream stream, FaultScope scope, Func<string, bool> isToken, string tokenHelp, AccountsCheck? accounts, CancellationToken ct)
    {
        var actions = ImmutableArray.CreateBuilder<AccountAction>();
        Instant? last = null;
        using var lines = new Utf8Lines(stream);
        while (await lines.ReadAsync(ct))
        {
            if (!BookFiles.TryParseLine(lines, scope, out var value))
            {
                continue;
            }
            if (Parse(value!, isToken, tokenHelp, scope, out var at) is { } action)
            {
                actions.Add(action);
                if (accounts?.Ids is { } ids && !ids.Contains(action.Account))
                {
                    scope.Add("account", Given.Text(action.Account), "is not in accounts.jsonl", "mend the id, or leave the action out");
                }
            }
            if (at < last)
            {
                scope.Add("at", Given.Text(InstantPattern.General.Format(at.Value)),
                    $"is before the action above it ({InstantPattern.General.Format(last.Value)})", "sort the file by at");
            }
            last = at ?? last;
        }
        return actions.ToImmutable();
    }

    private static AccountAction? Parse(JsonValue line, Func<string, bool> isToken, string tokenHelp, FaultScope scope, out Instant? at)
    {
        var before = scope.Count;
        // Which fields an action has depends on do: it is looked at first.
        var does = line.Members.FirstOrDefault(m => m.Name == "do").Value is { Kind: JsonKind.Text, Text: var text } ? text : null;
        var own = does is not null && FieldsOf.TryGetValue(does, out var found) ? found : null;
        var fields = new ObjectFields(line, "", scope, own is null ? AllFields : [.. Common, .. own]);
        at = fields.Instant("at");
        var account = fields.Text("account", Shapes.MaxId);
        if (own is null)
        {
            if (fields.Text("do", 1000) is { } unknown)
            {
                fields.Add("do", Given.Text(unknown), "is no action", Nearest.To(unknown, FieldsOf.Keys) is { } nearest
                    ? $"is {nearest} meant?" : $"one of {string.Join(", ", FieldsOf.Keys)}");
            }
            return null;
        }
        bool Has(string name) => own.Contains(name);
        var subscription = Has("subscription") ? fields.Text("subscription", Shapes.MaxId) : null;
        var method = Has("method") ? fields.OptionalText("method", Shapes.MaxId) : null;
        var outcome = Has("outcome") ? fields.Word("outcome", Outcomes) : -1;
        var periodStart = Has("period_start") ? fields.Date("period_start", required: false) : null;
        var brand = Has("brand") ? fields.OptionalText("brand", 50) : null;
        var last4 = Has("last4") ? AccountParser.ReadLast4(fields) : null;
        var plan = Has("plan") ? fields.Text("plan", Shapes.MaxId) : null;
        var token = Has("token") ? AccountParser.ReadToken(fields, isToken, tokenHelp) : null;
        var expires = Has("exp") ? fields.OptionalMonth("exp") : null;
        var flag = Has("value") ? fields.Flag("value", required: true) : null;
        var amount = Has("amount") ? fields.Whole("amount", -Money.MaxInputMinor, Money.MaxInputMinor) : null;
        var days = Has("days") ? fields.Whole("days", -MaxDays, MaxDays) : null;
        var email = Has("email") ? AccountParser.ReadEmail(fields) : null;
        var role = Has("role") ? fields.Word("role", AccountParser.Roles) : -1;
        var name = Has("name") ? fields.Text("name", Shapes.MaxName, mayBeEmpty: true, required: false) ?? "" : null;
        var locale = Has("locale") ? AccountParser.ReadLocale(fields, required: false) : null;
        var frequency = Has("frequency") ? fields.Word("frequency", AccountParser.Frequencies, required: false) : -1;
        if (scope.Count != before)
        {
            return null;
        }
        return new AccountAction(at!.Value, account!, does!)
        {
            Subscription = subscription,
            Method = method,
            Outcome = outcome < 0 ? null : Outcomes[outcome],
            PeriodStart = periodStart,
            Brand = brand,
            Last4 = last4,
            Token = token,
            Expires = expires,
            Plan = plan,
            Value = flag,
            Amount = amount,
            Days = (int?)days,
            Email = email,
            Role = role < 0 ? null : (ContactRole)role,
            Name = name,
            Locale = locale,
            Frequency = frequency < 0 ? null : (MailFrequency)frequency,
        };
    }
}
