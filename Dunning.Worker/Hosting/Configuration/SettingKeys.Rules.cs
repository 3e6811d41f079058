using System.Collections.Immutable;
using static Dunning.Hosting.Configuration.SettingKey;

namespace Dunning.Hosting.Configuration;

/// <content>What the rules read, and who issues the invoices.</content>
internal static partial class SettingKeys
{
    private static ImmutableArray<SettingKey> RulesKeys =>
    [
        Of("Dunning:ChargeAt", "09:00", "Local time of day, `HH:mm`, at which an account's dates fall due."),
        Number("Dunning:PurgeAfterDays", 90, 8, 3650, "Days from suspension to purge."),
        Number("Dunning:EraseClosedAfterDays", null, 30, 3650, "Days after the last thing that happened to a closed account until its personal data is erased, as by a purge. Default: never; [housekeeping.md](housekeeping.md).") with { Example = "365" },
        Number("Dunning:AttemptGap", 10, 1, 1440, "Minutes between automatic attempts on an invoice."),
        new("Dunning:TimeZoneData", SettingKind.Choice, "current", "The time-zone database that dates are worked out with: the program's own, or a fixed one.")
        {
            Choices = ["current", "2025b"],
        },
        Number("Dunning:Steps:{N}:Day", null, 0, 3650, "The schedule, key by key over the default (0, 2, 4, 21, 29): days after the first failure. An open case keeps the schedule that it began with.")
            with { Example = "4" },
        Optional("Dunning:Steps:{N}:Email", "payment_failed", "The step's mail: `payment_failed`, `suspension_warning` or `account_suspended`."),
        Optional("Dunning:Steps:{N}:Notice", "owner_admins", "Who is also told inside the application: `owner_admins` or `all_agents`."),
        Flag("Dunning:Steps:{N}:Suspend", null, "Whether the step suspends; the last one alone does."),
        Flag("Dunning:Steps:{N}:Off", null, "Leaves the step out."),
    ];

    private static ImmutableArray<SettingKey> SellerKeys =>
    [
        Of("Dunning:Seller:Country", "FR", "Where the seller pays VAT: a country code of two capital letters."),
        Of("Dunning:Seller:TimeZone", "Europe/Paris", "Time zone of issue dates and of the year in invoice numbers."),
        Optional("Dunning:Seller:Name", "Example", "The seller's name. Frozen into each invoice, as all of these."),
        Optional("Dunning:Seller:LegalName", "Example SAS", "Default: `Dunning:Seller:Name`."),
        Optional("Dunning:Seller:LegalForm", "SAS", "Legal form."),
        Optional("Dunning:Seller:ShareCapital", "10 000 €", "Share capital."),
        Optional("Dunning:Seller:Line1", "1 rue de la Paix", "Address."),
        Optional("Dunning:Seller:Line2", "Bâtiment B", "Address, second line."),
        Optional("Dunning:Seller:PostalCode", "75002", "Postal code."),
        Optional("Dunning:Seller:City", "Paris", "City."),
        Optional("Dunning:Seller:Siren", "732 829 320", "The nine digits of a SIREN, with its check digit."),
        Optional("Dunning:Seller:VatNumber", "FR44732829320", "VAT number: country code and up to 13 letters and digits."),
        Optional("Dunning:Seller:Registration", "RCS Paris 732 829 320", "Entry in the trade register."),
        Of("Dunning:Seller:InvoiceSeries", "INV", "Begins invoice numbers: 1 to 20 letters, digits, `-` or `_`."),
        Of("Dunning:Seller:CreditNoteSeries", "CN", "Begins the numbers of credit notes."),
    ];
}
