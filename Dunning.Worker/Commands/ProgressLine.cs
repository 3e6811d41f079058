using System.Globalization;

namespace Dunning.Commands;

/// <summary>One line on standard error that is written over as work goes on; nothing when that is no terminal.</summary>
internal sealed class ProgressLine(TextWriter error, string what, TimeProvider time) : IDisposable
{
    private const int Width = 30;

    private readonly bool _isShown = !Console.IsErrorRedirected;
    private long _lastShown;

    /// <summary>Shows how far it is, at most ten times a second.</summary>
    public void Show(double share, string detail)
    {
        if (!_isShown || (_lastShown != 0 && time.GetElapsedTime(_lastShown) < TimeSpan.FromMilliseconds(100) && share < 1))
        {
            return;
        }
        _lastShown = time.GetTimestamp();
        var full = (int)(Width * Math.Clamp(share, 0, 1));
        error.Write(string.Create(CultureInfo.InvariantCulture,
            $"\r{what} [{new string('#', full)}{new string('.', Width - full)}] {share * 100,3:F0} %  {detail}\u001b[K"));
        error.Flush();
    }

    /// <summary>Clears the line.</summary>
    public void Dispose()
    {
        if (_isShown && _lastShown != 0)
        {
            error.Write("\r\u001b[K");
            error.Flush();
        }
    }
}
