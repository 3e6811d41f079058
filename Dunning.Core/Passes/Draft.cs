using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Model;
using Dunning.Options;
using Dunning.Time;
using NodaTime;

namespace Dunning.Passes;

/// <summary>What every rule reads beside the account's file.</summary>
/// <param name="Options">The settings.</param>
/// <param name="Catalog">Plans and tax rates.</param>
/// <param name="Installation">Names this installation in idempotency keys.</param>
public sealed record Rulebook(RuleOptions Options, Catalog Catalog, string Installation)
{
    /// <summary>The gateway that charges, as far as rules must know it.</summary>
    public GatewayTraits Gateway { get; init; } = GatewayTraits.Any;
}

/// <summary>
/// A decision in the making: the file so far and the events so far. Rules change it through its methods; nothing outside sees it.
/// </summary>
internal sealed class Draft
{
    private readonly AccountFile _before;
    private readonly ImmutableArray<BookEvent>.Builder _events = ImmutableArray.CreateBuilder<BookEvent>();
    private readonly List<RoomChange> _room = [];

    public Draft(AccountFile file, Instant now, Rulebook book)
    {
        _before = file;
        Book = book;
        Now = Instant.Max(now, file.LastEventAt);
        Zone = book.Options.Zones[file.TimeZone];
        Today = LocalClock.LocalDateOf(Now, Zone);
        File = file;
    }

    public AccountFile File { get; set; }
    public Rulebook Book { get; }
    public RuleOptions Options => Book.Options;

    /// <summary>The pass's instant, never before the account's last event.</summary>
    public Instant Now { get; }

    public DateTimeZone Zone { get; }

    /// <summary>Local date of <see cref="Now"/>.</summary>
    public LocalDate Today { get; }

    public bool IsDue(LocalDate date) => DueAt(date) <= Now;

    public Instant DueAt(LocalDate date) => LocalClock.DueAt(date, Options.ChargeAt, Zone);

    /// <summary>Whether an earlier instant belongs to this pass (RULES 13: the same pass means within the attempt gap).</summary>
    public bool IsThisPass(Instant? at) => at is { } then && (then == Now || Now - then < Options.AttemptGap);

    public void Tell(BookEvent e) => _events.Add(e);

    /// <summary>Takes room under a guard's limit, or gives it back; what can be read off the files is told by itself.</summary>
    public void Tell(RoomChange room) => _room.Add(room);

    public BookEvent New(string type) => new(Now, File.Id, type);

    public BookEvent New(string type, string subscription) => New(type) with { Subscription = subscription };

    public BookEvent New(string type, Invoice invoice) =>
        New(type) with { Subscription = invoice.SubscriptionId, PeriodStart = invoice.PeriodStart };

    public void Set(Subscription subscription) =>
        File = File with { Subscriptions = Replace(File.Subscriptions, s => s.Id == subscription.Id, subscription) };

    public void Set(Invoice invoice) =>
        File = File with
        {
            Invoices = Replace(File.Invoices,
                i => i.SubscriptionId == invoice.SubscriptionId && i.PeriodStart == invoice.PeriodStart, invoice),
        };

    public void Set(Charge charge) =>
        File = File with { Charges = Replace(File.Charges, c => c.Key == charge.Key, charge) };

    public void Set(PaymentMethod method) =>
        File = File with { Methods = Replace(File.Methods, m => m.Ref == method.Ref, method) };

    public void Set(Mail mail) =>
        File = File with { Mails = Replace(File.Mails, m => m.Number == mail.Number, mail) };

    /// <summary>The invoice as it stands in the draft.</summary>
    public Invoice Current(Invoice invoice) =>
        File.Invoices.First(i => i.SubscriptionId == invoice.SubscriptionId && i.PeriodStart == invoice.PeriodStart);

    /// <summary>Finishes a pass's decision: the account is leased while its effect is under way, and free when there is none.</summary>
    public Decision Done(Effect? effect, PassKind upTo) => Done(effect, effect is null ? upTo : null,
        effect is null ? null : Now + Options.CallTimeout + Options.LeaseMargin,
        effect is null ? 0 : _before.Version + 1);

    /// <summary>Finishes the decision of somebody who is not the pass: a lease that another holds stays.</summary>
    public Decision Done() => Done(null, null, _before.LeaseUntil, _before.LeaseVersion);

    private Decision Done(Effect? effect, PassKind? passedUpTo, Instant? leaseUntil, long leaseVersion)
    {
        var after = File with
        {
            Version = _before.Version + 1,
            EventCount = _before.EventCount + _events.Count,
            LastEventAt = _events.Count > 0 ? Now : _before.LastEventAt,
            LeaseUntil = leaseUntil,
            LeaseVersion = leaseVersion,
        };
        return new Decision
        {
            Before = _before,
            After = after,
            Events = _events.ToImmutable(),
            Due = Rules.Due.Of(after, Now, Book, passedUpTo, _events.Count > 0),
            Effect = effect is null ? null : effect with { Lease = leaseVersion },
            Room = [.. Rules.Guarding.RoomOf(_before, after, _events, Now), .. _room],
            Now = Now,
        };
    }

    private static ImmutableArray<T> Replace<T>(ImmutableArray<T> list, Func<T, bool> isIt, T value)
    {
        for (var i = 0; i < list.Length; i++)
        {
            if (isIt(list[i]))
            {
                return list.SetItem(i, value);
            }
        }
        return list.Add(value);
    }
}
