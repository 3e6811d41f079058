using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Mail;
using Dunning.Ops.Frame;
using Dunning.Passes;
using NodaTime;

namespace Dunning.Ops.Pages;

/// <summary>All pages for operators, put together. Who may come, forms and headers are the frame's.</summary>
internal static class OpsPages
{
    /// <summary>Maps them.</summary>
    public static void Map(
        IEndpointRouteBuilder app, OpsFrame frame, Engine engine, WorkerSettings settings, PassWorker worker, Func<PassKind, CancellationToken, Task> trigger, TimeProvider time, ILoggerFactory loggers)
    {
        var (source, desk) = (engine.Database.Source, new OperatorDesk(engine));
        Instant Now() => engine.Now();
        new OverviewPage(frame, source, () => settings.Rules, Now, loggers.CreateLogger<OverviewPage>()).Map(app);
        new CasesPage(frame, source, () => settings.Rules, engine.RulebookAsync, Now).Map(app);
        new ChargesPage(frame, desk, source, Now).Map(app);
        new AlertsPage(frame, source, Now).Map(app);
        new AccountPages(frame, desk, engine.Database, settings, time).Map(app);
        new PassesPage(frame, desk, engine.Guards, source, worker, settings.Jobs, trigger, engine.RulebookAsync, Now).Map(app);
        // Without links: what stands in a preview must not act in the customer's name.
        new MailsPage(frame, desk, source, new MailComposer(settings.Texts, settings.Mail, engine.Installation), Now).Map(app);
        new ForecastPage(frame, source, () => settings.Rules, Now).Map(app);
        new AuditPage(frame, source).Map(app);
    }
}
