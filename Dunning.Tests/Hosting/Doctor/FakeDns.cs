using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Dunning.Tests.Hosting.Doctor;

/// <summary>A name server on the loopback with some texts; long answers come by TCP only, as from real ones.</summary>
internal sealed class FakeDns : IAsyncDisposable
{
    private const int LongestByUdp = 512;

    // Of both protocols, one port.
    private readonly UdpClient _udp = new(new IPEndPoint(IPAddress.Loopback, FreePort.Take()));
    private readonly TcpListener _tcp;
    private readonly Dictionary<string, string[]> _texts;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _work;

    public FakeDns(Dictionary<string, string[]> texts)
    {
        _texts = texts;
        _tcp = new TcpListener(IPAddress.Loopback, EndPoint.Port);
        _tcp.Start();
        _work = Task.WhenAll(ByUdpAsync(), ByTcpAsync());
    }

    public IPEndPoint EndPoint => (IPEndPoint)_udp.Client.LocalEndPoint!;

    public int TcpAnswers { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _work;
        _udp.Dispose();
        _tcp.Stop();
        _stop.Dispose();
    }

    private async Task ByUdpAsync()
    {
        try
        {
            while (true)
            {
                var question = await _udp.ReceiveAsync(_stop.Token);
                var answer = Answer(question.Buffer);
                if (answer.Length > LongestByUdp)
                {
                    answer = answer[..12];
                    answer[2] |= 0x02;
                }
                await _udp.SendAsync(answer, question.RemoteEndPoint, _stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task ByTcpAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _tcp.AcceptTcpClientAsync(_stop.Token);
                var (stream, length) = (client.GetStream(), new byte[2]);
                await stream.ReadExactlyAsync(length, _stop.Token);
                var question = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
                await stream.ReadExactlyAsync(question, _stop.Token);
                var answer = Answer(question);
                BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)answer.Length);
                // Counted first: whoever has the answer may look at once.
                TcpAnswers++;
                await stream.WriteAsync((byte[])[.. length, .. answer], _stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private byte[] Answer(byte[] question)
    {
        var (labels, at) = (new List<string>(), 12);
        for (; question[at] != 0; at += question[at] + 1)
        {
            labels.Add(Encoding.ASCII.GetString(question, at + 1, question[at]));
        }
        var texts = _texts.GetValueOrDefault(string.Join('.', labels));
        var answer = new List<byte> { question[0], question[1], 0x81, (byte)(texts is null ? 0x83 : 0x80), 0, 1, 0, (byte)(texts?.Length ?? 0), 0, 0, 0, 0 };
        answer.AddRange(question[12..(at + 5)]);
        foreach (var text in texts ?? [])
        {
            var parts = text.Chunk(255).SelectMany(c => (byte[])[(byte)c.Length, .. c.Select(l => (byte)l)]).ToArray();
            answer.AddRange([0xC0, 12, 0, 16, 0, 1, 0, 0, 0, 60, (byte)(parts.Length >> 8), (byte)(parts.Length & 0xFF), .. parts]);
        }
        return [.. answer];
    }
}
