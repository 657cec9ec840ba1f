"""CoFT Studio in the browser: python app.py [--host 127.0.0.1] [--port 7860]."""

from studio.app import main

if __name__ == "__main__":
    main()
