using Dunning.Hosting;
using Dunning.Ops.Frame;
using Dunning.Ops.SignIn;
using Npgsql;

namespace Dunning.Ops;

/// <summary>The operators' pages with what stands before them.</summary>
internal sealed class OpsSite : IDisposable
{
    private readonly OpsSessions _sessions;
    private readonly OpsGate _gate;
    private readonly SignInPages _signIn;
    private readonly Oidc? _oidc;
    private readonly FirstToken _first = new();

    public OpsSite(WorkerSettings settings, NpgsqlDataSource source, string? jobPages, TimeProvider time, ILoggerFactory loggers)
    {
        Frame = new OpsFrame(OpsTexts.Load(settings.Texts), jobPages);
        _sessions = new OpsSessions(source, settings.Ops, time);
        _oidc = settings.Ops.Oidc is null ? null : new Oidc(settings.Ops, source, time, loggers.CreateLogger<Oidc>());
        _gate = new OpsGate(Frame, _sessions, settings.Ops, loggers.CreateLogger<OpsGate>());
        _signIn = new SignInPages(Frame, _gate, _sessions, settings.Ops, _first, _oidc, source, time);
    }

    /// <summary>What pages are written with.</summary>
    public OpsFrame Frame { get; }

    /// <summary>Puts the gate before every route, whoever maps it, and maps signing in.</summary>
    public void Map(WebApplication app)
    {
        _gate.Use(app);
        OpsAssets.Map(app);
        _signIn.Map(app);
    }

    /// <summary>The one-time token, for the console alone; null: somebody is set up.</summary>
    public async Task<string?> MakeFirstTokenAsync(CancellationToken ct) =>
        (await _sessions.FindAsync(null, ct)).HasUsers ? null : _first.Make();

    /// <inheritdoc/>
    public void Dispose()
    {
        _signIn.Dispose();
        _oidc?.Dispose();
    }
}
