using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Dapper;
using Dunning.Events;
using Dunning.Model;
using Npgsql;

namespace Dunning.Commands;

/// <summary>What an account is at the end: active, limited, suspended, closed or purged.</summary>
internal sealed record AccountState(string Account, string Currency, string State)
{
    public static AccountState Of(AccountFile file) => new(file.Id, file.Currency.Code,
        file.PurgedAt is not null ? "purged" : file.Closed ? "closed" : file.Access switch
        {
            Access.Active => "active",
            Access.Limited => "limited",
            Access.Suspended => "suspended",
            _ => throw new InvalidOperationException($"no such access: {file.Access}"),
        });

    public static async Task<IReadOnlyList<AccountState>> ReadAsync(NpgsqlDataSource source, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return [.. await connection.QueryAsync<AccountState>(new CommandDefinition(
            """
            select id as account, currency,
                   case when purged_at is not null then 'purged' when closed then 'closed' else access end as state
            from dunning.account
            """,
            cancellationToken: ct))];
    }
}

/// <summary>The closing summary of a simulation: accounts by state, money by currency (never added across), mails by template.</summary>
internal sealed record SimulationSummary(
    ImmutableSortedDictionary<string, int> Accounts,
    ImmutableSortedDictionary<string, MoneyLine> Money,
    ImmutableSortedDictionary<string, int> Mails)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static SimulationSummary Of(IReadOnlyList<BookEvent> events, IReadOnlyList<AccountState> states)
    {
        var currencyOf = states.ToDictionary(s => s.Account, s => s.Currency, StringComparer.Ordinal);
        var due = new Dictionary<(string, string, NodaTime.LocalDate), long>();
        var money = new SortedDictionary<string, MoneyLine>(StringComparer.Ordinal);
        foreach (var e in events)
        {
            if (e is not { Subscription: { } subscription, PeriodStart: { } start })
            {
                continue;
            }
            var key = (e.Account, subscription, start);
            var currency = currencyOf[e.Account];
            var line = money.GetValueOrDefault(currency) ?? new MoneyLine(0, 0, 0, 0, 0, 0);
            money[currency] = e.Type switch
            {
                EventTypes.InvoiceIssued => line with { Invoiced = line.Invoiced + (due[key] = e.AmountDue ?? 0) },
                EventTypes.ChargeSucceeded => line with { Charged = line.Charged + (e.Amount ?? 0), Charges = line.Charges + 1 },
                EventTypes.DunningRecovered => line with { Recovered = line.Recovered + due.GetValueOrDefault(key), Recoveries = line.Recoveries + 1 },
                EventTypes.InvoiceWrittenOff => line with { Lost = line.Lost + due.GetValueOrDefault(key) },
                _ => line,
            };
        }
        return new SimulationSummary(
            Count(states.Select(s => s.State)),
            money.ToImmutableSortedDictionary(StringComparer.Ordinal),
            Count(events.Where(e => e.Type == EventTypes.EmailSent).Select(e => e.Template!)));

        static ImmutableSortedDictionary<string, int> Count(IEnumerable<string> names) =>
            names.CountBy(n => n, StringComparer.Ordinal).ToImmutableSortedDictionary(c => c.Key, c => c.Value, StringComparer.Ordinal);
    }

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    public string ToText()
    {
        var text = new StringBuilder();
        text.Append("accounts  ").AppendJoin(", ", Accounts.Select(a => string.Create(CultureInfo.InvariantCulture, $"{a.Value} {a.Key}"))).AppendLine();
        foreach (var (code, line) in Money)
        {
            var currency = Currency.Of(code);
            text.AppendLine(CultureInfo.InvariantCulture,
                $"{code}       {Amount(line.Invoiced)} invoiced, {Amount(line.Charged)} charged ({line.Charges}), {Amount(line.Recovered)} recovered ({line.Recoveries}), {Amount(line.Lost)} lost");

            string Amount(long minor) => new Money(minor, currency).ToString().Split(' ')[0];
        }
        text.Append("mails     ").AppendJoin(", ", Mails.Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Value} {m.Key}")));
        return text.ToString();
    }
}

/// <summary>Amounts of one currency in minor units, and how many.</summary>
internal sealed record MoneyLine(long Invoiced, long Charged, int Charges, long Recovered, int Recoveries, long Lost);
