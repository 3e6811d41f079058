using System.CommandLine;
using System.Globalization;
using Dunning.Model;
using Dunning.Pay;
using Dunning.Postgres;

namespace Dunning.Commands;

/// <summary><c>links revoke|rotate|make</c>: the links in mails, for operators.</summary>
internal static class LinksCommand
{
    public static Command Create(CommandContext context)
    {
        var command = new Command("links", "The links in mails by which customers replace cards and confirm payments") { Revoke(context), Rotate(context), Make(context) };
        return command;
    }

    private static Command Revoke(CommandContext context)
    {
        var account = new Argument<string>("ACCOUNT") { Description = "The account's id" };
        var command = new Command("revoke",
            """
            End every link that an account was sent so far, such as when one got into wrong hands. Its next mail has a new one.

              dunning links revoke acme
            """)
        { account };
        command.SetAction(async (parsed, ct) =>
        {
            var (settings, id) = (context.ReadSettings(parsed), parsed.GetValue(account)!);
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            if (!await new PayLinks(database.Source, settings.Links, context.Time).RevokeAsync(id, ct))
            {
                throw new CommandException($"there is no account '{id}'");
            }
            await context.Output.WriteLineAsync($"the links of account {id} up to now are dead");
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Rotate(CommandContext context)
    {
        var drop = new Option<bool>("--drop-old") { Description = "Drop the older keys: every link in every mail so far is dead then" };
        var command = new Command("rotate",
            """
            Sign links with a new key from the next Mail pass on. Links that are signed with older keys stay good, unless these are dropped.

              dunning links rotate
            """)
        { drop };
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            var number = await new PayLinks(database.Source, settings.Links, context.Time).RotateAsync(parsed.GetValue(drop), ct);
            await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                $"links are signed with key {number} now; {(parsed.GetValue(drop) ? "the older keys and all links so far are dead" : "links so far stay good")}"));
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Make(CommandContext context)
    {
        var account = new Argument<string>("ACCOUNT") { Description = "The account's id" };
        var email = new Option<string?>("--email") { Description = "For this contact. Default: the account's first owner" };
        var command = new Command("make",
            """
            Print the link that the account's next mail would have: to confirm a payment that waits, to pay what is due, else to replace the card. Who has it
            can do that: hand it to nobody but the contact.

              dunning links make acme
            """)
        { account, email };
        command.SetAction(async (parsed, ct) =>
        {
            var (settings, id) = (context.ReadSettings(parsed), parsed.GetValue(account)!);
            if (settings.Links.PublicUrl is null)
            {
                throw new CommandException("Links:PublicUrl is not set: there are no links, such as with --set Links:PublicUrl=https://billing.example.com");
            }
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            if (await new PostgresFiles(database.Source).FileAsync(id, ct) is not { PurgedAt: null } file)
            {
                throw new CommandException($"there is no account '{id}', or it is purged");
            }
            var contact = parsed.GetValue(email) is { } address
                ? file.Contacts.FirstOrDefault(c => !c.Removed && c.Email.Equals(address, StringComparison.OrdinalIgnoreCase))
                : file.Contacts.FirstOrDefault(c => c is { Removed: false, Role: ContactRole.Owner });
            if (contact is null)
            {
                throw new CommandException($"account '{id}' has no such contact");
            }
            var links = new PayLinks(database.Source, settings.Links, context.Time);
            await links.LoadAsync(ct);
            var purpose = PayLinks.Waiting(file) is not null ? LinkPurpose.Confirm
                : file.Invoices.Any(i => i.State == InvoiceState.Open) ? LinkPurpose.Debt : LinkPurpose.Card;
            var now = NodaTime.Instant.FromDateTimeOffset(context.Time.GetUtcNow());
            await context.Output.WriteLineAsync(links.LinkOf(PayLinks.LinkFor(file, purpose, contact.Number, now)));
            return CommandLine.Ok;
        });
        return command;
    }
}
