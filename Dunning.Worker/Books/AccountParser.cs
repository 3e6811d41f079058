using System.Collections.Immutable;
using System.Globalization;
using Dunning.Model;
using Dunning.Options;
using Dunning.Time;
using NodaTime;
using NodaTime.Text;
using Interval = Dunning.Model.Interval;

namespace Dunning.Books;

/// <summary>One line of accounts.jsonl.</summary>
internal sealed class ParsedAccount
{
    public string? Id { get; set; }
    public List<(string Id, string Field)> SubscriptionIds { get; } = [];

    /// <summary>Faults of overdue renewals; they count only when the account is not there already.</summary>
    public List<Action> Overdue { get; } = [];

    public int Skipped { get; set; }

    /// <summary>Null when there is a fault.</summary>
    public AccountFile? File { get; set; }

    public string? ContentHash { get; set; }
}

/// <summary>Reads accounts and checks all that a line can be checked for by itself (RULES 15).</summary>
internal sealed class AccountParser(
    BookRequest request, PlansFile? plans, TaxFile? tax, RuleOptions? options, Instant? knownAt, FaultScope scope)
{
    private const int MaxQuantity = 1_000_000;

    private static readonly string[] AccountFields =
    [
        "id", "name", "legal_name", "country", "time_zone", "currency", "locale", "address", "vat_number", "credit", "legal_hold",
        "gateway_customer", "contacts", "payment_methods", "subscriptions",
    ];

    private static readonly string[] AddressFields = ["line1", "line2", "postal_code", "city"];
    private static readonly string[] ContactFields = ["email", "name", "role", "locale", "frequency"];
    private static readonly string[] MethodFields = ["id", "token", "exp", "default", "backup", "brand", "last4"];

    private static readonly string[] SubscriptionFields =
        ["id", "plan", "quantity", "anchor", "renews_on", "auto_renew", "cancel_at_period_end"];

    internal static readonly string[] Roles = ["owner", "billing", "admin"];
    internal static readonly string[] Frequencies = ["at_once", "daily", "weekly"];

    private readonly ContentHash _hash = new();

    public ParsedAccount Parse(JsonValue line)
    {
        var before = scope.Count;
        var parsed = new ParsedAccount();
        var fields = new ObjectFields(line, "", scope, AccountFields);
        var id = parsed.Id = fields.Text("id", Shapes.MaxId);
        var name = fields.Text("name", Shapes.MaxName);
        var legalName = fields.Text("legal_name", Shapes.MaxName);
        var country = fields.Shaped("country", 100, Shapes.IsCountry, "is no country code", "two capital letters of ISO 3166, such as FR");
        if (country is not null && tax is not null && !tax.Named.Contains(country))
        {
            fields.Add("country", Given.Text(country), "has no rate in tax.csv",
                $"add a row such as {country},2000,0 to tax.csv, or mend the country");
        }
        var zone = ReadZone(fields);
        var currency = ReadCurrency(fields);
        var locale = ReadLocale(fields, required: true);
        var address = ReadAddress(fields);
        var vat = fields.OptionalText("vat_number", 32);
        var credit = fields.Whole("credit", 0, Money.MaxInputMinor, required: false) ?? 0;
        var hold = fields.Flag("legal_hold") ?? false;
        var customer = request.CustomerHelp is { } help
            ? fields.Shaped("gateway_customer", Shapes.MaxToken, request.IsCustomer, "is no customer of the payment gateway", help, Given.Token)
            : fields.OptionalText("gateway_customer", Shapes.MaxToken, Given.Token);
        var contacts = ReadContacts(fields);
        var methods = ReadMethods(fields);
        var subscriptions = ReadSubscriptions(fields, parsed, currency, zone, out var given);
        if (scope.Count != before || plans is null || tax is null || options is null || knownAt is not { } known)
        {
            return parsed;
        }
        parsed.File = new AccountFile
        {
            Id = id!,
            Name = name!,
            LegalName = legalName!,
            Country = country!,
            TimeZone = zone!,
            Currency = currency!,
            Locale = locale!,
            Address = address!,
            VatNumber = vat,
            GatewayCustomer = customer,
            LegalHold = hold,
            Credit = credit,
            LastEventAt = known,
            Contacts = contacts,
            ContactCount = contacts.Length,
            Methods = methods,
            Subscriptions = subscriptions,
        };
        parsed.ContentHash = _hash.Of(parsed.File with { Subscriptions = given });
        return parsed;
    }

    private string? ReadZone(ObjectFields fields)
    {
        if (fields.Text("time_zone", 100) is not { } zone)
        {
            return null;
        }
        if (Shapes.IsZone(zone))
        {
            return zone;
        }
        fields.Add("time_zone", Given.Text(zone), "is no IANA time zone",
            Nearest.To(zone, LocalClock.ZoneIds) is { } nearest ? $"is {nearest} meant?" : "an id such as Europe/Paris");
        return null;
    }

    private static Currency? ReadCurrency(ObjectFields fields)
    {
        if (fields.Text("currency", 100) is not { } code)
        {
            return null;
        }
        if (Currency.Find(code) is { } currency)
        {
            return currency;
        }
        fields.Add("currency", Given.Text(code), "is no currency", "a code of ISO 4217 in capitals, such as EUR");
        return null;
    }

    internal static string? ReadLocale(ObjectFields fields, bool required) => fields.Shaped("locale", 100, Shapes.IsLocale,
        "is no language tag", "a language, perhaps with a country, such as fr or fr-CA", required: required);

    private Address? ReadAddress(ObjectFields account)
    {
        if (account.Object("address") is not { } value)
        {
            return null;
        }
        var fields = new ObjectFields(value, account.Path("address"), scope, AddressFields);
        var line1 = fields.Text("line1", Shapes.MaxName);
        var line2 = fields.OptionalText("line2", Shapes.MaxName);
        var postalCode = fields.Text("postal_code", 32);
        var city = fields.Text("city", Shapes.MaxName);
        return line1 is null || postalCode is null || city is null ? null : new Address(line1, line2, postalCode, city);
    }

    private ImmutableArray<Contact> ReadContacts(ObjectFields account)
    {
        var contacts = ImmutableArray.CreateBuilder<Contact>();
        // Without case: two spellings of one mailbox would get every mail twice.
        var first = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var before = scope.Count;
        var hasOwner = false;
        foreach (var (value, path) in account.Objects("contacts"))
        {
            var fields = new ObjectFields(value, path, scope, ContactFields);
            var email = ReadEmail(fields);
            var name = fields.Text("name", Shapes.MaxName, mayBeEmpty: true);
            var role = fields.Word("role", Roles);
            var locale = ReadLocale(fields, required: false);
            var frequency = fields.Word("frequency", Frequencies, required: false);
            hasOwner |= role == (int)ContactRole.Owner;
            if (email is not null && !first.TryAdd(email, path))
            {
                fields.Add("email", Given.Address(email), $"is there already, as {first[email]}", "an address once in an account");
            }
            if (email is not null && name is not null && role >= 0)
            {
                contacts.Add(new Contact(contacts.Count + 1, email, name, (ContactRole)role, locale)
                {
                    Frequency = frequency < 0 ? default : (MailFrequency)frequency,
                });
            }
        }
        if (!hasOwner && scope.Count == before)
        {
            account.Add("contacts", null, "has no owner", "give at least one contact the role owner");
        }
        return contacts.ToImmutable();
    }

    internal static string? ReadLast4(ObjectFields fields) => fields.Shaped("last4", 100, t => t.Length == 4 && t.All(char.IsAsciiLetterOrDigit),
        "is not four digits", "the last four digits of the card or account, as text", required: false);

    internal static string? ReadEmail(ObjectFields fields) => fields.Shaped("email", 1000, Shapes.IsMailAddress,
        "is no mail address", "one @, no spaces, up to 254 characters, such as claire@example.com", Given.Address);

    internal static string? ReadToken(ObjectFields fields, Func<string, bool> isToken, string tokenHelp) =>
        fields.Shaped("token", Shapes.MaxToken, isToken, "is no token of the payment gateway", tokenHelp, Given.Token);

    private ImmutableArray<PaymentMethod> ReadMethods(ObjectFields account)
    {
        var methods = ImmutableArray.CreateBuilder<PaymentMethod>();
        var ids = new HashSet<string>(StringComparer.Ordinal);
        string? defaultPath = null;
        foreach (var (value, path) in account.Objects("payment_methods"))
        {
            var fields = new ObjectFields(value, path, scope, MethodFields);
            var id = fields.Text("id", Shapes.MaxId);
            var token = ReadToken(fields, request.IsToken, request.TokenHelp);
            var expires = fields.OptionalMonth("exp");
            var isDefault = fields.Flag("default") ?? false;
            var isBackup = fields.Flag("backup") ?? false;
            var brand = fields.OptionalText("brand", 50);
            var last4 = ReadLast4(fields);
            if (id is not null && !ids.Add(id))
            {
                fields.Add("id", Given.Text(id), "is there already in this account", "a method's id once in an account");
            }
            if (isDefault)
            {
                if (defaultPath is not null)
                {
                    fields.Add("default", "true", $"is true of {defaultPath}, too", "at most one default method");
                }
                defaultPath ??= path;
            }
            if (id is not null && token is not null)
            {
                methods.Add(new PaymentMethod
                {
                    Id = id,
                    Token = token,
                    Expires = expires,
                    IsDefault = isDefault,
                    // The default is tried first as it is: as a backup, too, it would be tried twice.
                    IsBackup = isBackup && !isDefault,
                    Brand = brand,
                    Last4 = last4,
                    KnownAt = knownAt ?? default,
                });
            }
        }
        return methods.ToImmutable();
    }

    private ImmutableArray<Subscription> ReadSubscriptions(
        ObjectFields account, ParsedAccount parsed, Currency? currency, string? zone, out ImmutableArray<Subscription> given)
    {
        var asGiven = ImmutableArray.CreateBuilder<Subscription>();
        var asStarted = ImmutableArray.CreateBuilder<Subscription>();
        foreach (var (value, path) in account.Objects("subscriptions"))
        {
            var fields = new ObjectFields(value, path, scope, SubscriptionFields);
            var id = fields.Text("id", Shapes.MaxId);
            var plan = ReadPlan(fields, currency);
            var quantity = fields.Whole("quantity", 1, MaxQuantity);
            var anchor = fields.Date("anchor");
            var renewsOn = fields.Date("renews_on");
            var autoRenew = fields.Flag("auto_renew") ?? true;
            var cancel = fields.Flag("cancel_at_period_end") ?? false;
            if (id is not null)
            {
                parsed.SubscriptionIds.Add((id, fields.Path("id")));
            }
            if (plan is null)
            {
                continue;
            }
            if (currency is not null && quantity is { } n && plan.Prices.TryGetValue(currency.Code, out var price)
                && price > Money.MaxInputMinor / n)
            {
                fields.Add("quantity", n.ToString(CultureInfo.InvariantCulture),
                    string.Create(CultureInfo.InvariantCulture, $"times the unit price of {price} is more than {Money.MaxInputMinor}"),
                    "a smaller quantity");
            }
            if (anchor is not { } a || renewsOn is not { } r || !IsOnGrid(fields, a, r, plan.Interval))
            {
                continue;
            }
            if (id is null || quantity is null)
            {
                continue;
            }
            var subscription = new Subscription
            {
                Id = id,
                PlanCode = plan.Code,
                Interval = plan.Interval,
                Quantity = (int)quantity.Value,
                Anchor = a,
                RenewsOn = r,
                RenewsOnKnownAt = knownAt ?? default,
                AutoRenew = autoRenew,
                CancelAtPeriodEnd = cancel,
            };
            asGiven.Add(subscription);
            asStarted.Add(zone is null ? subscription : Started(subscription, zone, fields, parsed));
        }
        given = asGiven.ToImmutable();
        return asStarted.ToImmutable();
    }

    private Plan? ReadPlan(ObjectFields fields, Currency? currency)
    {
        if (fields.Text("plan", Shapes.MaxId) is not { } code || plans is null)
        {
            return null;
        }
        if (!plans.Plans.TryGetValue(code, out var plan))
        {
            if (!plans.Named.Contains(code))
            {
                fields.Add("plan", Given.Text(code), "is not in plans.json",
                    Nearest.To(code, plans.Named) is { } nearest ? $"is {nearest} meant?" : "add the plan, or mend its code");
            }
            return null;
        }
        if (currency is not null && !plan.Prices.ContainsKey(currency.Code))
        {
            fields.Add("plan", Given.Text(code), $"has no price in {currency.Code}, the account's currency",
                $"add the price to plans.json; it has {string.Join(", ", plan.Prices.Keys)}");
        }
        return plan;
    }

    private static bool IsOnGrid(ObjectFields fields, LocalDate anchor, LocalDate renewsOn, Interval interval)
    {
        var schedule = new Schedule(anchor, interval);
        if (schedule.IndexOf(renewsOn) is not null)
        {
            return true;
        }
        var after = schedule.FirstFrom(renewsOn);
        var before = schedule.Boundary(schedule.IndexOf(after)!.Value - 1);
        fields.Add("renews_on", Text(renewsOn), $"is no period boundary of the anchor {Text(anchor)}",
            $"the nearest are {Text(before)} and {Text(after)}");
        return false;
    }

    // RULES 15: at most one period overdue; a simulation takes what it gets.
    private Subscription Started(Subscription subscription, string zoneId, ObjectFields fields, ParsedAccount parsed)
    {
        if (request.Use == BookUse.Simulation || knownAt is not { } now || options is null)
        {
            return subscription;
        }
        var zone = options.Zones[zoneId];
        var at = options.ChargeAt;
        if (LocalClock.DueAt(subscription.RenewsOn, at, zone) >= now)
        {
            return subscription;
        }
        var given = Text(subscription.RenewsOn);
        var field = fields.Path("renews_on");
        if (LocalClock.DueAt(subscription.Schedule.Next(subscription.RenewsOn), at, zone) >= now)
        {
            if (!request.AllowOverdue)
            {
                parsed.Overdue.Add(() => scope.Add(field, given, "is overdue",
                    "--allow-overdue renews it at once; or give the date it renews on next"));
            }
            return subscription;
        }
        var next = subscription.Schedule.FirstFrom(LocalClock.LocalDateOf(now, zone));
        if (!request.SkipMissed)
        {
            parsed.Overdue.Add(() => scope.Add(field, given, "is overdue by more than one period",
                $"--skip-missed starts it at its next boundary, {Text(next)}, and never bills those between; " +
                "or give the date it renews on next"));
            return subscription;
        }
        parsed.Skipped++;
        return subscription with { RenewsOn = next };
    }

    private static string Text(LocalDate date) => LocalDatePattern.Iso.Format(date);
}
