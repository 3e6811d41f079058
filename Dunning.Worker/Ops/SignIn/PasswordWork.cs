namespace Dunning.Ops.SignIn;

/// <summary>
/// Working a password out takes a core for a while: a flood of tries must not take them all, nor make everybody wait without end.
/// </summary>
/// <param name="workers">So many at once.</param>
/// <param name="patience">Who waits longer is sent away.</param>
internal sealed class PasswordWork(int workers, TimeSpan patience) : IDisposable
{
    private readonly SemaphoreSlim _workers = new(workers);

    /// <summary>Does it. Null: too many are at it.</summary>
    public async Task<T?> TryAsync<T>(Func<T> work, CancellationToken ct)
        where T : class
    {
        if (!await _workers.WaitAsync(patience, ct))
        {
            return null;
        }
        try
        {
            return work();
        }
        finally
        {
            _workers.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _workers.Dispose();
}
