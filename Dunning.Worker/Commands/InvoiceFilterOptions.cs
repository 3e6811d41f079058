using System.CommandLine;
using Dunning.Postgres;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary>The options by which invoices are asked for.</summary>
internal sealed class InvoiceFilterOptions
{
    private readonly Option<string?> _account = new("--account") { Description = "Of one account" };
    private readonly Option<string?> _from = new("--from") { Description = "Issued in this month or later, such as 2026-01; or from a day on, such as 2026-01-15" };
    private readonly Option<string?> _to = new("--to") { Description = "Issued in this month or earlier, or until this day" };
    private readonly Option<string?> _state = new("--state") { Description = "open, paid, voided (credit notes too) or written_off. Default: any" };

    private readonly Option<string?> _eInvoice = new("--e-invoice")
    {
        Description = "pending (not yet with the e-invoicing platform), handed_in, or inexpressible (has no form in EN 16931). Default: any",
    };

    public InvoiceFilterOptions()
    {
        _state.AcceptOnlyFromAmong([.. Texts.Invoice.Values.Select(v => Texts.Invoice[v])]);
        _eInvoice.AcceptOnlyFromAmong("pending", "handed_in", "inexpressible");
    }

    public IEnumerable<Option> All => [_account, _from, _to, _state, _eInvoice];

    /// <summary>What is asked for.</summary>
    /// <exception cref="CommandException">A month or day that is none.</exception>
    public InvoiceFilter Read(ParseResult parsed)
    {
        var (from, to) = (Read("--from", parsed.GetValue(_from), last: false), Read("--to", parsed.GetValue(_to), last: true));
        return from > to
            ? throw new CommandException($"--from ({parsed.GetValue(_from)}) must not lie after --to ({parsed.GetValue(_to)})")
            : new InvoiceFilter(parsed.GetValue(_account), from, to, parsed.GetValue(_state), parsed.GetValue(_eInvoice));
    }

    private static LocalDate? Read(string option, string? given, bool last)
    {
        if (given is null)
        {
            return null;
        }
        if (LocalDatePattern.Iso.Parse(given) is { Success: true } day)
        {
            return day.Value;
        }
        return YearMonthPattern.Iso.Parse(given) is { Success: true } month
            ? last ? month.Value.ToDateInterval().End : month.Value.OnDayOfMonth(1)
            : throw new CommandException($"{option} is '{given}', but must be a month, such as 2026-01, or a day, such as 2026-01-15");
    }
}
