using System.Globalization;
using System.Text;
using Dunning.Books;
using Dunning.Gateways.Sandbox;

namespace Dunning.Tests.Books;

/// <summary>Alone in the process while it runs: it measures the heap.</summary>
[CollectionDefinition(nameof(FlatMemoryTests), DisableParallelization = true)]
public sealed class FlatMemoryCollection;

[Collection(nameof(FlatMemoryTests))]
public sealed class FlatMemoryTests
{
    private const int Accounts = 100_000;
    private const int Every = 20_000;

    [Fact]
    public async Task The_heap_does_not_grow_with_the_number_of_accounts()
    {
        using var folder = new BookFolder();
        File.Delete(folder.In("actions.jsonl"));
        await using (var writer = new StreamWriter(folder.In("accounts.jsonl"), append: false, new UTF8Encoding(false)))
        {
            for (var i = 0; i < Accounts; i++)
            {
                await writer.WriteLineAsync(BookFolder.Account2.Replace("b-2", i.ToString("D9", CultureInfo.InvariantCulture), StringComparison.Ordinal));
            }
        }

        var (tokens, checking) = (0, new List<long>());
        var book = await folder.TheBookAsync(folder.Import with
        {
            IsToken = token =>
            {
                // Two methods an account.
                if (tokens++ % (2 * Every) == 0)
                {
                    checking.Add(GC.GetTotalMemory(forceFullCollection: true));
                }
                return SandboxToken.IsToken(token);
            },
        });
        Assert.Equal(Accounts, book.AccountCount);

        var (count, loading) = (0, new List<long>());
        tokens = 1;
        await foreach (var _ in book.AccountsAsync())
        {
            if (++count % Every == 0)
            {
                loading.Add(GC.GetTotalMemory(forceFullCollection: true));
            }
        }

        // The check keeps a hash of each account's and subscription's id: 3 × 36 bytes, at most twice that while the tables grow.
        Assert.InRange(checking.Max() - checking[0], 0, (3 * 36 * 2 * Accounts) + (4 << 20));
        Assert.InRange(loading.Max() - loading[0], 0, 2 << 20);
    }
}
