"""What runs work elsewhere: executors of builds, each behind one protocol"""
