namespace Dunning.Tests.Jobs;

/// <summary>From settings to a file in the drop folder, by the running service and by hand.</summary>
[Collection(nameof(ServiceRig))]
public sealed class EInvoicingServiceTests : IDisposable
{
    private readonly string _drop = Directory.CreateTempSubdirectory("dunning-drop-").FullName;

    public void Dispose() => Directory.Delete(_drop, recursive: true);

    [Fact]
    public async Task The_service_hands_in_what_was_issued_and_a_command_does_too()
    {
        (string Key, string Value)[] keys =
        [
            ("Documents:EInvoicing:Drop", _drop), ("Documents:EInvoicing:Format", "ubl"), ("Documents:EInvoicing:Since", "2020-01-01"),
            ("Dunning:Seller:Name", "Nuage SAS"), ("Dunning:Seller:City", "Lyon"), ("Dunning:Seller:VatNumber", "FR44732829320"), ("Jobs:RunAtStart", "false"),
        ];
        string[] set = [.. keys.SelectMany(k => new[] { "--set", $"{k.Key}={k.Value}" })];
        await using var rig = await ServiceRig.NewAsync(2, keys);
        Assert.Equal(0, (await rig.CommandAsync(["pass", "renew", .. set])).Code);
        Assert.Equal(2, (await rig.CommandAsync("invoices", "hand-in")).Code); // nowhere to

        await using (await rig.StartAsync())
        {
            await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.einvoice where state = 'handed_in'") == 2);
        }
        Assert.Equal(2, Directory.GetFiles(_drop, "INV-*.xml").Length);
        Assert.Equal((0, "0 handed in, 0 to be tried again, 0 without a form in EN 16931"), Line(await rig.CommandAsync(["invoices", "hand-in", .. set])));
        var number = Path.GetFileNameWithoutExtension(Directory.GetFiles(_drop)[0]);
        Assert.Contains("handed in 20", (await rig.CommandAsync("invoices", "show", number)).Output, StringComparison.Ordinal);
        Assert.Contains(number, (await rig.CommandAsync("invoices", "list", "--e-invoice", "handed_in")).Output, StringComparison.Ordinal);
        Assert.Contains("no such", (await rig.CommandAsync("invoices", "list", "--e-invoice", "pending")).Output, StringComparison.Ordinal);
    }

    private static (int Code, string Output) Line((int Code, string Output, string Error) result) => (result.Code, result.Output.Trim());
}
